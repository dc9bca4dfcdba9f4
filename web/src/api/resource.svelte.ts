/**
 * A document that is kept fresh: asked when its address changes, again with every so many ticks of
 * the live stream, and after each gap. What was there stays visible while newer is on its way, and
 * also when that fails.
 */
import { untrack } from 'svelte';
import { live } from '../live/live.svelte';
import { asFault, get, type Address, type Fault } from './client';

export interface Freshness {
  /** Ask again with each n-th tick; 0: never. */
  ticks?: number | (() => number);
  /** Ask again when this changes. */
  also?: () => unknown;
  /** Stand still: the past doesn't change. */
  still?: () => boolean;
}

export class Resource<T> {
  value = $state.raw<T | undefined>();
  fault = $state.raw<Fault | undefined>();
  /** The first answer is still on its way. */
  loading = $derived(this.value === undefined && this.fault === undefined);

  #address: string | undefined;
  #abort: AbortController | undefined;
  #again = false;

  constructor(from: () => Address<T> | undefined, fresh: Freshness = {}) {
    $effect(() => {
      const next = from();
      untrack(() => {
        if (next === this.#address) return;
        // Another thing altogether: what was shown would be wrong. Another query: still of use.
        if (next?.split('?')[0] !== this.#address?.split('?')[0]) this.value = undefined;
        this.#address = next;
        this.#abort?.abort();
        this.#abort = undefined;
        this.fault = undefined;
        if (next !== undefined) void this.#ask();
      });
    });
    let seen = untrack(() => ({ tick: live.tick, epoch: live.epoch, also: fresh.also?.() }));
    $effect(() => {
      const now = { tick: live.tick, epoch: live.epoch, also: fresh.also?.() };
      const every = (typeof fresh.ticks === 'function' ? untrack(fresh.ticks) : fresh.ticks) ?? 0;
      const due = every > 0 && Math.floor(now.tick / every) !== Math.floor(seen.tick / every);
      const changed = now.epoch !== seen.epoch || now.also !== seen.also;
      seen = now;
      untrack(() => {
        if (changed || (due && !fresh.still?.())) void this.refresh();
      });
    });
    $effect(() => () => this.#abort?.abort());
  }

  /** Asks again; if an answer is on its way, once more after it. */
  async refresh(): Promise<void> {
    if (this.#address === undefined) return;
    if (this.#abort) {
      this.#again = true;
      return;
    }
    await this.#ask();
  }

  async #ask(): Promise<void> {
    const address = this.#address as Address<T>;
    const abort = new AbortController();
    this.#abort = abort;
    try {
      const value = await get(address, abort.signal);
      if (abort.signal.aborted) return;
      this.value = value;
      this.fault = undefined;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.fault = asFault(error);
      if (this.fault.status === 401) live.locked = true;
    }
    this.#abort = undefined;
    if (this.#again) {
      this.#again = false;
      await this.#ask();
    }
  }
}
