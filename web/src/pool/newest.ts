/** A pool as it was last asked for, with what the stream has told since. Pure. */
import type { components } from '../api/schema';

type Pool = components['schemas']['Pool'];
type Brief = components['schemas']['PoolBrief'];

export function newest(asked: Pool, brief: Brief): Pool {
  return {
    ...asked,
    size: brief.size,
    size_min: brief.size_min,
    size_max: brief.size_max,
    level: brief.level,
    paused: brief.paused,
    incident: brief.incident,
    clients: { ...asked.clients, waiting: brief.waiting },
    servers: { ...asked.servers, active: brief.active },
    oldest_wait_s: brief.oldest_wait_s,
    transactions_per_s: brief.transactions_per_s,
    wait_s: { ...asked.wait_s, p99: brief.wait_p99_s },
  };
}
