/** The rows of the table of pools, and their order. Pure. */
import type { components } from '../api/schema';
import { poolName } from '../words/names';

export type Brief = components['schemas']['PoolBrief'];

export interface PoolRow {
  database: string;
  user: string;
  level: string | null;
  paused: boolean;
  size: number;
  size_min: number;
  /** Null: no bound is known. */
  size_max: number | null;
  waiting: number;
  active: number;
  transactions_per_s: number;
  wait_s_p99: number;
  spark: readonly (number | null)[];
}

/** Worst first: what a person woken at night must see without scrolling. */
const GRAVITY = ['down', 'exhausted', 'stalled', 'starved', 'saturated', 'leak', 'degraded'];
const gravity = (level: string | null) => {
  if (level === null) return GRAVITY.length + 1;
  const place = GRAVITY.indexOf(level);
  return place < 0 ? GRAVITY.length : place;
};

const KEYS: Record<string, (row: PoolRow) => number | string> = {
  name: poolName,
  level: (row) => -gravity(row.level),
  wait: (row) => row.wait_s_p99,
  waiting: (row) => row.waiting,
  busy: (row) => row.active,
  size: (row) => row.size,
  rate: (row) => row.transactions_per_s,
};

/** By `key`, or `-key` for the largest first; by gravity and name without one. Equal ones stay in
 * the order of their names, so that rows don't dance. */
export function sorted(rows: readonly PoolRow[], sort: string): PoolRow[] {
  const by = KEYS[sort.replace(/^-/, '')];
  const down = sort.startsWith('-') ? -1 : 1;
  return [...rows].sort((a, b) => {
    const names = poolName(a) < poolName(b) ? -1 : 1;
    if (!by) return gravity(a.level) - gravity(b.level) || b.waiting - a.waiting || names;
    const x = by(a);
    const y = by(b);
    return x < y ? -down : x > y ? down : names;
  });
}

/** The rails in words; of a past instant they aren't always known. */
export function rails(row: Pick<PoolRow, 'size_min' | 'size_max'>): string {
  if (row.size_max !== null) return `${row.size_min} to ${row.size_max}`;
  return row.size_min > 0 ? `from ${row.size_min}` : '–';
}

/** The API's rows as the table has them. `newer` holds what the stream has told since, by name. */
export function rowsOf(pools: readonly Brief[], newer: ReadonlyMap<string, Brief> = new Map()): PoolRow[] {
  const known = new Set(pools.map(poolName));
  const opened = [...newer.values()].filter((pool) => !known.has(poolName(pool)));
  return [...pools, ...opened].map((base) => {
    const pool = { ...base, ...newer.get(poolName(base)) };
    return {
    database: pool.database,
    user: pool.user,
    level: pool.level ?? null,
    paused: pool.paused,
    size: pool.size,
    size_min: pool.size_min,
    size_max: pool.size_max,
    waiting: pool.waiting,
    active: pool.active,
    transactions_per_s: pool.transactions_per_s,
    wait_s_p99: pool.wait_p99_s,
    spark: base.spark?.wait_p99_s ?? [],
    };
  });
}
