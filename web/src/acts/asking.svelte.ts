/** Which act is being asked about? One dialog for all of them; and who asks, remembered. */
import type { Act } from './acts';

const KEY = 'weir.by';

function kept(): string {
  try {
    return localStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}

/** What was done shows in what Weir publishes with its next tick, a second later at most. */
const SHOWS_MS = 1_300;

class Asking {
  act = $state.raw<Act | undefined>();
  by = $state(kept());
  /** Grows with each act that was done, so that pages look again. */
  done = $state(0);

  open(act: Act): void {
    this.act = act;
  }

  /** An act was done: pages look at once, and again when its effect can be seen. */
  wasDone(): void {
    this.done += 1;
    setTimeout(() => (this.done += 1), SHOWS_MS);
  }

  remember(): void {
    try {
      localStorage.setItem(KEY, this.by.trim());
    } catch {
      // Asked again next time, then.
    }
  }
}

export const asking = new Asking();
