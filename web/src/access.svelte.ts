/** May this browser act? The server says; until it has, it may try. */
import type { components } from './api/schema';
import { address, get, post } from './api/client';
import { live } from './live/live.svelte';

export type Session = components['schemas']['Session'];

class Access {
  /** Somebody who may read wants to sign in to act. */
  asking = $state(false);
  session = $state.raw<Session | undefined>();
  why = $derived(this.session?.can_act === false ? 'sign in with the token to act' : '');

  async leave(): Promise<void> {
    try {
      await post('/api/v1/session', {}, 'DELETE');
    } finally {
      await this.ask();
      live.retry();
    }
  }

  async ask(): Promise<void> {
    try {
      this.session = await get(address('/api/v1/session'));
      if (this.session.can_read === false) live.locked = true;
    } catch {
      // A Weir without sessions: what it refuses, it will say.
      this.session = undefined;
    }
  }
}

export const access = new Access();
