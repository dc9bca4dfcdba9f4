/** The field's words for what the API names: one place, so that all pages say the same. */

export type Shape = 'circle' | 'triangle' | 'diamond' | 'square' | 'ring' | 'bar';
export type Tone = 'ok' | 'warn' | 'bad' | 'plain';

export interface Mark {
  word: string;
  shape: Shape;
  tone: Tone;
}

const LEVELS: Record<string, Mark> = {
  exhausted: { word: 'exhausted', shape: 'triangle', tone: 'bad' },
  down: { word: 'down', shape: 'square', tone: 'bad' },
  stalled: { word: 'stalled', shape: 'square', tone: 'bad' },
  starved: { word: 'starved', shape: 'triangle', tone: 'bad' },
  saturated: { word: 'saturated', shape: 'diamond', tone: 'warn' },
  degraded: { word: 'degraded', shape: 'diamond', tone: 'warn' },
  leak: { word: 'leak', shape: 'diamond', tone: 'warn' },
};

/** A pool's level. No level is a good one: nothing is wrong. */
export function level(name: string | null | undefined): Mark {
  if (!name) return { word: 'fine', shape: 'circle', tone: 'ok' };
  return LEVELS[name] ?? { word: name, shape: 'diamond', tone: 'warn' };
}

const STATUSES: Record<string, Mark> = {
  open: { word: 'open', shape: 'triangle', tone: 'bad' },
  acknowledged: { word: 'acknowledged', shape: 'diamond', tone: 'warn' },
  mitigated: { word: 'mitigated', shape: 'ring', tone: 'warn' },
  resolved: { word: 'resolved', shape: 'circle', tone: 'ok' },
  reviewed: { word: 'reviewed', shape: 'circle', tone: 'ok' },
  closed: { word: 'closed', shape: 'bar', tone: 'plain' },
};

export function status(name: string): Mark {
  return STATUSES[name] ?? { word: name, shape: 'bar', tone: 'plain' };
}

/** `row_lock_contention` → "row lock contention". */
export function plain(name: string | null | undefined): string {
  return (name ?? '').replaceAll('_', ' ');
}

export function poolName(pool: { database: string; user: string }): string {
  return `${pool.database}/${pool.user}`;
}

/** Whose turn it is no longer: an incident that nobody needs to look at now. */
export function ongoing(status: string): boolean {
  return status === 'open' || status === 'acknowledged' || status === 'mitigated';
}
