import { describe, expect, test } from 'vitest';
import { bytes, clock, count, counted, digits, duration, measured, rate, rfc3339, share, stamp, times } from '../src/words/format';

describe('numbers', () => {
  test('have three digits that count, and commas', () => {
    expect([0, 0.0123, 0.5, 1.234, 12.34, 99.96, 123.4, 1234.5, 1234567].map(digits)).toEqual(['0', '0.012', '0.5', '1.23', '12.3', '100', '123', '1,235', '1,234,567']);
  });

  test('what is not known is a dash and never a zero', () => {
    for (const say of [count, duration, rate, share, bytes, times]) {
      for (const unknown of [null, undefined, NaN, Infinity]) expect(say(unknown)).toBe('–');
    }
    expect(clock(undefined)).toBe('–');
    expect(stamp('yesterday')).toBe('–');
  });

  test('one thing is one, two are several', () => {
    expect(counted(1, 'client', 'clients')).toBe('1 client');
    expect(counted(1500, 'client', 'clients')).toBe('1,500 clients');
  });
});

describe('durations', () => {
  test('take the unit in which they are short', () => {
    const said = [0, 1e-6, 0.00018, 0.0009999, 0.0123, 0.9999, 1.5, 99.4, 99.6, 125, 3600, 12345, 90_000].map(duration);
    expect(said).toEqual(['0', '1 µs', '180 µs', '1 ms', '12.3 ms', '1 s', '1.5 s', '99.4 s', '1 min 40 s', '2 min 5 s', '1 h', '3 h 25 min', '1 d 1 h']);
  });

  test('before the onset they are negative', () => {
    expect(duration(-2.5)).toBe('−2.5 s');
  });
});

describe('shares', () => {
  test('a small share is not none, and almost all is not all', () => {
    expect([0, 0.001, 0.354, 0.999, 1].map(share)).toEqual(['0 %', '< 1 %', '35 %', '99.9 %', '100 %']);
  });
});

test('a number takes its unit from the name of its metric', () => {
  expect(measured('weir_pool_arrivals_per_second', 207.87)).toBe('208/s');
  expect(measured('weir_pool_hold_seconds', 0.0505)).toBe('50.5 ms');
  expect(measured('weir_pool_servers{state="active"}', 10)).toBe('10');
  expect(measured('weir_buffered_bytes', 2048)).toBe('2 KiB');
});

test('times are in UTC, whatever the machine', () => {
  expect(clock('2026-11-25T08:29:13.855Z')).toBe('08:29:13');
  expect(clock('2026-11-25T10:29:13+02:00')).toBe('08:29:13');
  expect(stamp(Date.parse('2026-11-25T08:29:13Z'))).toBe('2026-11-25 08:29:13 UTC');
  expect(rfc3339(Date.parse('2026-11-25T08:29:13.9Z'))).toBe('2026-11-25T08:29:13Z');
});
