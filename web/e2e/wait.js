/**
 * Waiting for what must come, and saying what was there instead when it didn't.
 *
 * Nothing here sleeps for a fixed time: a wait ends as soon as its condition holds.
 */
import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 50;

/** Asks again and again until `ask` gives something true, and gives that. A fault while asking counts
 * as "not yet": pages change under the question. */
export async function until(what, ask, limit_ms = 10_000) {
  const began = performance.now();
  let last;
  for (;;) {
    try {
      last = await ask();
      if (last) return last;
    } catch (fault) {
      last = fault;
    }
    if (performance.now() - began > limit_ms) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`${what}: not within ${limit_ms / 1000} s (last seen: ${seen})`);
    }
    await pause(POLL_MS);
  }
}

/** Two frames later whatever the last change caused has been painted. */
export function painted(page) {
  return page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(true)))));
}
