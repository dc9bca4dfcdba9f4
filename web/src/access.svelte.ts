/** May this browser act? The server says; until it has, it may try. */
import { get, type Address } from './api/client';
import { live } from './live/live.svelte';

export interface Session {
  can_act?: boolean;
  can_read?: boolean;
  signed_in?: boolean;
  token_needed?: boolean;
  says?: string;
}

class Access {
  session = $state.raw<Session | undefined>();
  why = $derived(this.session?.can_act === false ? 'sign in with the token to act' : '');

  async ask(): Promise<void> {
    try {
      this.session = await get('/api/v1/session' as Address<Session>);
      if (this.session.can_read === false) live.locked = true;
    } catch {
      // A Weir without sessions: what it refuses, it will say.
      this.session = undefined;
    }
  }
}

export const access = new Access();
