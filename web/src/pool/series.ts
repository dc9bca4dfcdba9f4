/**
 * The recorder's samples as columns that a chart can draw. No number is made here: rows become
 * columns, and a comparison is laid over by moving its times.
 */
import type { components } from '../api/schema';

export type Sample = components['schemas']['Samples']['samples'][number];
export type Column = 'wait_p50' | 'wait_p99' | 'oldest' | 'waiting' | 'busy' | 'size' | 'hold_p50' | 'hold_p99' | 'executing' | 'thinking' | 'network' | 'arrivals' | 'completions';

export interface Columns {
  /** Seconds since 1970. */
  times: number[];
  of: Record<Column, (number | null)[]>;
}

const NAMES: Column[] = ['wait_p50', 'wait_p99', 'oldest', 'waiting', 'busy', 'size', 'hold_p50', 'hold_p99', 'executing', 'thinking', 'network', 'arrivals', 'completions'];

const known = (value: number | null | undefined) => (typeof value === 'number' ? value : null);

function values(sample: Sample): Record<Column, number | null> {
  const held = sample.executing_s + sample.thinking_s + sample.network_s;
  const part = (value: number) => (held > 0 ? value / held : null);
  const rate = (n: number) => (sample.interval_s > 0 ? n / sample.interval_s : null);
  return {
    wait_p50: known(sample.wait_s.p50),
    wait_p99: known(sample.wait_s.p99),
    oldest: known(sample.oldest_wait_s),
    waiting: known(sample.clients.waiting),
    busy: known(sample.servers.active),
    size: known(sample.size),
    hold_p50: known(sample.hold_s.p50),
    hold_p99: known(sample.hold_s.p99),
    executing: part(sample.executing_s),
    thinking: part(sample.thinking_s),
    network: part(sample.network_s),
    arrivals: rate(sample.arrivals),
    completions: rate(sample.completions),
  };
}

/** Columns of one pool. A hole of more than three steps becomes a gap in the line; where only minutes
 * were stored, a step is a minute. */
export function columns(samples: readonly Sample[], step_s: number, shift_s = 0): Columns {
  const times: number[] = [];
  const of = Object.fromEntries(NAMES.map((name) => [name, [] as (number | null)[]])) as Columns['of'];
  const push = (at: number, row: Record<Column, number | null> | undefined) => {
    times.push(at);
    for (const name of NAMES) of[name].push(row?.[name] ?? null);
  };
  for (const sample of samples) {
    const at = Date.parse(sample.at) / 1000 + shift_s;
    const before = times.at(-1);
    if (before !== undefined && at <= before) continue;
    const step = Math.max(step_s, sample.interval_s);
    if (before !== undefined && step_s > 0 && at - before > step * 3 + 0.5) push(before + step, undefined);
    push(at, values(sample));
  }
  return { times, of };
}

/** Another time's column on the instants of this one: the newest value not after each. */
export function laid(over: readonly number[], other: Columns, name: Column): (number | null)[] {
  let index = -1;
  return over.map((at) => {
    while (index + 1 < other.times.length && (other.times[index + 1] ?? Infinity) <= at) index += 1;
    const from = other.times[index];
    return from === undefined || at - from > 120 ? null : (other.of[name][index] ?? null);
  });
}

/** The step that gives a few hundred points: fine enough for the eye, cheap enough for a phone. */
export function step_s(from_ms: number, to_ms: number): number {
  const wanted = (to_ms - from_ms) / 1000 / 300;
  return [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800].find((step) => step >= wanted) ?? 3600;
}

export const COMPARE: Record<string, { shift_s: number; says: string }> = {
  '1h': { shift_s: 3_600, says: '1 hour earlier' },
  '1d': { shift_s: 86_400, says: '1 day earlier' },
  '1w': { shift_s: 604_800, says: '1 week earlier' },
};
