/** What of an incident a page puts in which order; no number is made here. */
import type { Act } from '../acts/acts';
import * as acts from '../acts/acts';
import { UNKNOWN, count, duration, measured, share } from '../words/format';
import type { Clocks, Evidence, Impact } from './types';

export interface Clock {
  name: string;
  at: string | null;
  /** Seconds after the onset. */
  after_s: number | null;
}

export function clocks(of: Clocks): Clock[] {
  return [
    { name: 'Impact started', at: of.impact_started_at, after_s: 0 },
    { name: 'Detected', at: of.detected_at, after_s: of.detect_s },
    { name: 'Cause named', at: of.cause_named_at, after_s: of.name_cause_s },
    { name: 'Acknowledged', at: of.acknowledged_at, after_s: of.acknowledge_s },
    { name: 'Mitigated', at: of.mitigated_at, after_s: of.mitigate_s },
    { name: 'Resolved', at: of.resolved_at, after_s: of.resolve_s },
  ];
}

export interface Part {
  name: string;
  /** "1,814 of 1,870", or that it wasn't measured. */
  says: string;
  ratio: number | null;
}

function part(name: string, some: number | null, all: number | null, missing: string): Part {
  if (some === null || all === null) return { name, says: missing, ratio: null };
  const ratio = all > 0 ? some / all : null;
  return { name, says: `${count(some)} of ${count(all)}${ratio === null ? '' : ` (${share(ratio)})`}`, ratio };
}

/** While an incident goes on, its damage is still being counted. */
export function impact(of: Impact, goesOn = false): Part[] {
  const missing = goesOn ? 'not measured yet' : 'not measured';
  const users = part('Users affected', of.users_affected, of.users, missing);
  if (of.users !== null) users.says += `, known by ${of.users_known_by}`;
  return [
    users,
    part('Clients affected', of.clients_affected, of.clients, missing),
    part('Transactions delayed', of.transactions_delayed, of.transactions, missing),
    part('Transactions failed', of.transactions_failed, of.transactions, missing),
  ];
}

export interface Compared {
  now: string;
  usual: string;
  /** For two bars of one scale, 0..1; nothing where there is nothing to compare. */
  bars: { now: number; usual: number } | undefined;
}

export function compared(evidence: Evidence): Compared {
  const { metric, value, baseline } = evidence;
  const known = value !== null && baseline !== null && value >= 0 && baseline >= 0;
  const most = known ? Math.max(value, baseline) : 0;
  return {
    now: measured(metric, value),
    usual: baseline === null ? UNKNOWN : measured(metric, baseline),
    bars: known && most > 0 ? { now: value / most, usual: baseline / most } : undefined,
  };
}

/** What can be done with an incident in this state, the most likely first. */
export function steps(id: string, status: string): { label: string; act: Act; primary: boolean; testid: string }[] {
  const step = (label: string, act: Act, testid: string, primary = false) => ({ label, act, primary, testid });
  switch (status) {
    case 'open':
      return [
        step('Acknowledge', acts.acknowledge(id), 'ack', true),
        step('Mitigated', acts.mitigate(id), 'mitigate'),
        step('Resolve', acts.resolve(id), 'resolve'),
      ];
    case 'acknowledged':
      return [step('Mitigated', acts.mitigate(id), 'mitigate', true), step('Resolve', acts.resolve(id), 'resolve')];
    case 'mitigated':
      return [step('Resolve', acts.resolve(id), 'resolve', true), step('Reopen', acts.reopen(id), 'reopen')];
    case 'resolved':
      return [step('Reviewed', acts.review(id), 'review', true), step('Reopen', acts.reopen(id), 'reopen'), step('Close', acts.close(id), 'close')];
    case 'reviewed':
      return [step('Close', acts.close(id), 'close', true), step('Reopen', acts.reopen(id), 'reopen')];
    default:
      return [step('Reopen', acts.reopen(id), 'reopen')];
  }
}

/** "+0.6 s", "at once". */
export function after(seconds: number | null): string {
  if (seconds === null) return UNKNOWN;
  return seconds === 0 ? 'onset' : `+${duration(seconds)}`;
}

/** The window that shows an incident with a calm before and after it, as milliseconds. */
export function window_ms(of: Clocks, now: number): [number, number] {
  const began = Date.parse(of.impact_started_at);
  const ended = of.resolved_at ? Date.parse(of.resolved_at) : now;
  const margin = Math.min(600_000, Math.max(30_000, (ended - began) / 4));
  return [began - margin, Math.min(now, ended + margin)];
}
