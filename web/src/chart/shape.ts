/** What does a row of numbers look like, and what does it say? Pure; the drawing is elsewhere. */
import { clock } from '../words/format';

/** The `d` of a line through `values`, oldest left; gaps where nothing is known. */
export function sparkPath(values: readonly (number | null)[], width: number, height: number, top?: number): string {
  const known = values.filter((value): value is number => value !== null);
  if (known.length === 0) return '';
  const most = Math.max(top ?? 0, ...known, Number.MIN_VALUE);
  const step = values.length > 1 ? width / (values.length - 1) : width;
  let out = '';
  let pen = false;
  values.forEach((value, index) => {
    if (value === null) {
      pen = false;
      return;
    }
    const x = (index * step).toFixed(1);
    const y = (height - 1 - (value / most) * (height - 2)).toFixed(1);
    out += `${pen ? 'L' : 'M'}${x} ${y}`;
    pen = true;
  });
  return out;
}

/** "now 12 ms; worst 3.1 s at 08:29:31": the one sentence a chart must say in words. */
export function takeaway(
  name: string,
  times: readonly number[],
  values: readonly (number | null)[],
  say: (value: number) => string,
  past = false,
): string {
  let last: number | undefined;
  let worst: { value: number; at: number } | undefined;
  let least: number | undefined;
  values.forEach((value, index) => {
    const at = times[index];
    if (value === null || at === undefined) return;
    last = value;
    if (!worst || value > worst.value) worst = { value, at };
    if (least === undefined || value < least) least = value;
  });
  if (last === undefined || !worst) return `${name}: nothing was recorded in this range.`;
  const when = past ? 'at the end' : 'now';
  if (worst.value === least) return `${name}: ${say(last)} all the time.`;
  return `${name}: ${say(last)} ${when}; highest ${say(worst.value)} at ${clock(worst.at * 1000)}.`;
}

/** Which rows a table shows of so many, so that a person can read it: evenly spread, the last
 * among them. */
export function rowsShown(length: number, most: number): number[] {
  if (length <= most) return Array.from({ length }, (_, index) => index);
  const step = (length - 1) / (most - 1);
  return Array.from({ length: most }, (_, index) => Math.round(index * step));
}
