/** Where in time is the slider, and where does a key take it? Pure; all times in seconds. */

export interface Window {
  from: number;
  to: number;
}

/** A window of `length` that holds `at`, moving by halves, so that it stands still while one scrubs
 * inside; never beyond what was recorded. */
export function windowAround(at: number, length: number, earliest: number, latest: number): Window {
  if (latest - earliest <= length) return { from: earliest, to: latest };
  const half = length / 2;
  const from = Math.floor((at - length / 4) / half) * half;
  const begin = Math.min(Math.max(from, earliest), latest - length);
  return { from: begin, to: begin + length };
}

/** Seconds that a key moves the slider by; nothing, if it isn't for moving. */
export function keyStep(key: string, shift: boolean): number | undefined {
  switch (key) {
    case 'ArrowLeft':
    case 'ArrowDown':
      return shift ? -10 : -1;
    case 'ArrowRight':
    case 'ArrowUp':
      return shift ? 10 : 1;
    case 'PageDown':
      return -60;
    case 'PageUp':
      return 60;
    default:
      return undefined;
  }
}

export function within(at: number, from: number, to: number): number {
  return Math.min(to, Math.max(from, at));
}
