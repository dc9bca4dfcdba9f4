/** Through time by keys: as it was, so many seconds earlier or later. Later than now is live. */
import { live } from './live/live.svelte';
import { router } from './route/router.svelte';
import { instant, rfc3339 } from './words/format';

export function step(seconds: number): void {
  const now = instant(live.at) ?? Date.now();
  const from = instant(router.at) ?? now;
  const to = from + seconds * 1000;
  router.set({ at: to >= now - 500 ? undefined : rfc3339(to) });
}
