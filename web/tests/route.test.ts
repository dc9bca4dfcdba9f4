import { expect, test } from 'vitest';
import { onward, read, write, type Place } from '../src/route/route';

const places: Place[] = [
  { page: { name: 'overview' }, query: {} },
  { page: { name: 'pool', database: 'app/1', user: 'dash board' }, query: { at: '2026-11-25T08:29:13Z', compare: '1h', range: '15m' } },
  { page: { name: 'incident', id: 'INC-7' }, query: {} },
  { page: { name: 'queries' }, query: { pool: 'shop/dashboard', q: 'a & b=c' } },
  { page: { name: 'blackbox' }, query: { from: '2026-11-25T08:00:00Z', to: '2026-11-25T09:00:00Z' } },
];

test('what is written is read back, to the letter', () => {
  for (const place of places) {
    const url = new URL(write(place), 'http://weir');
    expect(read(url.pathname, url.search)).toEqual(place);
  }
});

test('an address can be read by people', () => {
  expect(write({ page: { name: 'queries' }, query: { pool: 'shop/dashboard', at: '2026-11-25T08:29:13Z' } })).toBe('/queries?at=2026-11-25T08:29:13Z&pool=shop/dashboard');
});

test('what leads nowhere says where it led', () => {
  for (const path of ['/nothing', '/pools/only-one', '/incidents/1/2', '/api/v1/status', '/pools/%E0/x']) {
    expect(read(path, '').page).toEqual({ name: 'lost', path });
  }
});

test('going on keeps the instant and the comparison and drops the filters of the page', () => {
  const from: Place = { page: { name: 'queries' }, query: { at: '2026-11-25T08:29:13Z', compare: '1w', q: 'orders', pool: 'a/b' } };
  expect(onward(from, { name: 'waits' })).toBe('/waits?at=2026-11-25T08:29:13Z&compare=1w');
  expect(onward(from, { name: 'waits' }, { at: undefined, pool: 'a/b' })).toBe('/waits?compare=1w&pool=a/b');
});
