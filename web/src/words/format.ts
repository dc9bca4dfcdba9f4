/**
 * How numbers and times read. Three digits are what a person compares; a unit always stands with
 * its number; what isn't known is a dash, never a zero.
 */

export const UNKNOWN = '–';

type Maybe = number | null | undefined;

const known = (value: Maybe): value is number => typeof value === 'number' && Number.isFinite(value);

/** Three significant digits without an exponent: 1234.5 → "1,235", 12.34 → "12.3". */
export function digits(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return '0';
  const decimals = size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3;
  const text = value.toFixed(decimals);
  const [whole = '', part] = text.split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  const rest = part?.replace(/0+$/, '');
  return rest ? `${grouped}.${rest}` : grouped;
}

/** A whole number of things. */
export function count(value: Maybe): string {
  return known(value) ? Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ',') : UNKNOWN;
}

/** Seconds, as people say them: "180 µs", "12.3 ms", "2 min 5 s". */
export function duration(seconds: Maybe): string {
  if (!known(seconds)) return UNKNOWN;
  if (seconds < 0) return `−${duration(-seconds)}`;
  if (seconds === 0) return '0';
  if (seconds < 0.9995e-3) return `${digits(Math.max(1, Math.round(seconds * 1e6)))} µs`;
  if (seconds < 0.9995) return `${digits(seconds * 1e3)} ms`;
  if (seconds < 99.5) return `${digits(seconds)} s`;
  const whole = Math.round(seconds);
  const pair = (big: number, unit: string, small: number, smallUnit: string) => {
    const first = Math.floor(whole / big);
    const second = Math.floor((whole % big) / small);
    return second === 0 ? `${first} ${unit}` : `${first} ${unit} ${second} ${smallUnit}`;
  };
  if (whole < 3_600) return pair(60, 'min', 1, 's');
  if (whole < 86_400) return pair(3_600, 'h', 60, 'min');
  return pair(86_400, 'd', 3_600, 'h');
}

/** Things in a second. */
export function rate(value: Maybe): string {
  return known(value) ? `${digits(value)}/s` : UNKNOWN;
}

/** A ratio of 0..1 as per cent; what is there but small isn't "0 %". */
export function share(ratio: Maybe): string {
  if (!known(ratio)) return UNKNOWN;
  const percent = ratio * 100;
  if (percent > 0 && percent < 0.95) return '< 1 %';
  if (percent > 99 && percent < 100) return `${(Math.floor(percent * 10) / 10).toFixed(1)} %`;
  return `${Math.round(percent)} %`;
}

export function bytes(value: Maybe): string {
  if (!known(value)) return UNKNOWN;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = value;
  let unit = 0;
  while (size >= 1023.5 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${digits(size)} ${units[unit]}`;
}

/** "×1.8": how a value compares with what is usual. */
export function times(ratio: Maybe): string {
  return known(ratio) ? `× ${digits(ratio)}` : UNKNOWN;
}

const two = (value: number) => value.toString().padStart(2, '0');

/** RFC 3339 as milliseconds, or nothing. */
export function instant(text: string | null | undefined): number | undefined {
  if (!text) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

/** "08:29:13", in UTC as everything that Weir writes. */
export function clock(at: string | number | null | undefined): string {
  const ms = typeof at === 'number' ? at : instant(at);
  if (ms === undefined) return UNKNOWN;
  const date = new Date(ms);
  return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
}

/** "2026-11-25". */
export function day(at: string | number | null | undefined): string {
  const ms = typeof at === 'number' ? at : instant(at);
  return ms === undefined ? UNKNOWN : new Date(ms).toISOString().slice(0, 10);
}

/** "2026-11-25 08:29:13 UTC". */
export function stamp(at: string | number | null | undefined): string {
  const date = day(at);
  return date === UNKNOWN ? UNKNOWN : `${date} ${clock(at)} UTC`;
}

/** RFC 3339 to the second, for addresses. */
export function rfc3339(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** One thing or several. */
export function counted(value: number, one: string, many: string): string {
  return `${count(value)} ${Math.round(value) === 1 ? one : many}`;
}

/** A number with the unit that its metric's name ends in. */
export function measured(metric: string, value: Maybe): string {
  if (!known(value)) return UNKNOWN;
  const bare = metric.replace(/\{.*\}$/, '');
  if (/_per_second$/.test(bare)) return rate(value);
  if (/_seconds$|_s$/.test(bare)) return duration(value);
  if (/_bytes$/.test(bare)) return bytes(value);
  if (/_ratio$|_share$/.test(bare)) return share(value);
  return digits(value);
}
