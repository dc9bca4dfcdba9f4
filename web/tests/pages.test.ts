import { describe, expect, test } from 'vitest';
import * as acts from '../src/acts/acts';
import { keyStep, windowAround } from '../src/blackbox/scrub';
import { rowsShown, sparkPath, takeaway } from '../src/chart/shape';
import { after, clocks, compared, impact, steps, window_ms } from '../src/incidents/view';
import type { Impact } from '../src/incidents/types';
import { KEYS, press } from '../src/keys';
import { rowsOf, sorted, type Brief, type PoolRow } from '../src/overview/rows';
import { columns, laid, step_s, type Sample } from '../src/pool/series';
import { rest } from '../src/status/rest';
import { duration } from '../src/words/format';
import { level, status } from '../src/words/names';
import { spans } from '../src/words/spans';
import recorded from '../dev/recorded.json';

describe('an act', () => {
  test('is sent with what was filled in and by whom, numbers as numbers', () => {
    const act = acts.resize('shop/dashboard', 10);
    expect(acts.request(act, { size: ' 18 ' }, ' ann ')).toEqual({ order: 'resize', pool: 'shop/dashboard', size: 18, by: 'ann' });
    expect(acts.request(acts.annotate('INC-1'), { text: 'seen', happened_at: '' }, 'ann')).toEqual({ text: 'seen', by: 'ann' });
  });

  test('says what is missing before it is sent', () => {
    const act = acts.resize('shop/dashboard', 10);
    expect(acts.missing(act, { size: '18' }, '  ')).toContain('who you are');
    expect(acts.missing(act, { size: '' }, 'ann')).toContain('Servers');
    expect(acts.missing(act, { size: '1.5' }, 'ann')).toContain('whole number');
    expect(acts.missing(act, { size: '0' }, 'ann')).toContain('begins at 1');
    expect(acts.missing(act, { size: '18' }, 'ann')).toBeUndefined();
    expect(acts.missing(acts.annotate('INC-1'), { text: 'x', happened_at: 'noon' }, 'ann')).toContain('a time like');
  });

  test('always says what it does and how it is undone', () => {
    const all = [
      acts.resize('a/b', 1), acts.pause('a'), acts.resume('a'), acts.cancel(1, ''), acts.closeClient(1, 'x'), acts.approve('a/b', 'grow', ''),
      acts.regulator('act', 'observe'), acts.acknowledge('1'), acts.mitigate('1'), acts.resolve('1'), acts.reopen('1'), acts.review('1'),
      acts.close('1'), acts.annotate('1'), acts.assign('1'), acts.answer('1', 'why?'), acts.action('1', 'A1', 'do it', 'adopt'),
    ];
    for (const act of all) {
      expect(act.says, act.title).not.toBe('');
      expect(act.undo, act.title).not.toBe('');
    }
  });

  test('comes back from the order that the server sends', () => {
    const back = acts.fromOrder({ order: 'resize', pool: 'a/b', size: 10 }, 'resize back to 10');
    expect(back && acts.request(back, {}, 'ann')).toEqual({ order: 'resize', pool: 'a/b', size: 10, by: 'ann' });
    expect(acts.fromOrder(null, '')).toBeUndefined();
    expect(acts.fromOrder('text', '')).toBeUndefined();
  });
});

describe('keys', () => {
  const plain = { after: '', typing: false, off: false, pressable: false, modified: false };
  test('do what the help says of them', () => {
    expect(press({ ...plain, key: 'i', after: 'g' })).toEqual({ do: 'go', path: '/incidents' });
    expect(press({ ...plain, key: '/' })).toEqual({ do: 'filter' });
    expect(press({ ...plain, key: '{' })).toEqual({ do: 'step', seconds: -60 });
    expect(press({ ...plain, key: 'x' })).toBeUndefined();
    expect(KEYS.filter((key) => key.keys.startsWith('g ')).every((key) => press({ ...plain, key: key.keys[2] ?? '', after: 'g' })?.do === 'go')).toBe(true);
  });

  test('are left to whoever types, and to the browser', () => {
    expect(press({ ...plain, key: '/', typing: true })).toBeUndefined();
    expect(press({ ...plain, key: 'l', modified: true })).toBeUndefined();
    expect(press({ ...plain, key: ' ', pressable: true })).toBeUndefined();
    expect(press({ ...plain, key: ' ' })).toEqual({ do: 'pause' });
  });

  test('can be turned off, but for the help', () => {
    expect(press({ ...plain, key: 't', off: true })).toBeUndefined();
    expect(press({ ...plain, key: '?', off: true })).toEqual({ do: 'help' });
  });
});

describe('the table of pools', () => {
  const brief = (name: string, more: Partial<Brief> = {}): Brief => ({
    database: name, user: 'u', size: 10, size_min: 2, size_max: null, level: null, paused: false, incident: null, waiting: 0, active: 1,
    oldest_wait_s: 0, transactions_per_s: 5, wait_p99_s: 0.001, ...more,
  });
  const names = (rows: PoolRow[]) => rows.map((row) => row.database).join(' ');

  test('has the worst first', () => {
    const rows = rowsOf([brief('b'), brief('a'), brief('leaks', { level: 'leak' }), brief('dry', { level: 'exhausted', waiting: 3 }), brief('dead', { level: 'down' }), brief('queue', { waiting: 9 })]);
    expect(names(sorted(rows, ''))).toBe('dead dry leaks queue a b');
  });

  test('sorts by a column both ways, equal ones by name', () => {
    const rows = rowsOf([brief('a', { waiting: 1 }), brief('c', { waiting: 5 }), brief('b', { waiting: 1 })]);
    expect(names(sorted(rows, '-waiting'))).toBe('c a b');
    expect(names(sorted(rows, 'waiting'))).toBe('a b c');
    expect(names(sorted(rows, 'nonsense'))).toBe('c a b');
  });

  test('takes the newest row of the stream, and pools that opened since', () => {
    const rows = rowsOf([brief('a')], new Map([['a/u', brief('a', { waiting: 7 })], ['new/u', brief('new')]]));
    expect(rows.map((row) => [row.database, row.waiting])).toEqual([['a', 7], ['new', 0]]);
  });
});

describe('a chart', () => {
  const times = [100, 101, 102, 103];
  test('says in words what it shows', () => {
    expect(takeaway('Wait', times, [0.001, 3, null, 0.002], duration)).toBe('Wait: 2 ms now; highest 3 s at 00:01:41.');
    expect(takeaway('Wait', times, [0.001, 3, null, 0.002], duration, true)).toContain('2 ms at the end');
    expect(takeaway('Wait', times, [1, 1, 1, 1], duration)).toBe('Wait: 1 s all the time.');
    expect(takeaway('Wait', times, [null, null, null, null], duration)).toContain('nothing was recorded');
  });

  test('is broken where nothing is known', () => {
    expect(sparkPath([0, 1, null, 1], 30, 12)).toBe('M0.0 11.0L10.0 1.0M30.0 1.0');
    expect(sparkPath([null], 30, 12)).toBe('');
  });

  test('has a table that a person can read to its end', () => {
    expect(rowsShown(3, 10)).toEqual([0, 1, 2]);
    const shown = rowsShown(1000, 120);
    expect(shown).toHaveLength(120);
    expect([shown[0], shown.at(-1)]).toEqual([0, 999]);
  });
});

describe('the recorder’s series', () => {
  const base = recorded.samples[0] as Sample;
  const sample = (at: string, more: Partial<Sample> = {}): Sample => ({ ...base, at, interval_s: 0.1, arrivals: 4, ...more });

  test('become columns; a hole becomes a gap', () => {
    const made = columns([sample('2026-11-25T08:00:00Z'), sample('2026-11-25T08:00:01Z'), sample('2026-11-25T08:00:30Z')], 1);
    expect(made.times.map((at) => at - (made.times[0] ?? 0))).toEqual([0, 1, 2, 30]);
    expect(made.of.arrivals).toEqual([40, 40, null, 40]);
  });

  test('of another time are laid on the instants of this one', () => {
    const earlier = columns([sample('2026-11-25T07:00:00Z', { size: 5 }), sample('2026-11-25T07:00:02Z', { size: 6 })], 1, 3600);
    const at = Date.parse('2026-11-25T08:00:00Z') / 1000;
    expect(laid([at - 1, at, at + 1, at + 2, at + 500], earlier, 'size')).toEqual([null, 5, 5, 6, null]);
  });

  test('come in a few hundred steps, whatever the range', () => {
    for (const range_s of [60, 300, 900, 3600, 86_400, 604_800]) {
      const points = range_s / step_s(0, range_s * 1000);
      expect(points, `${range_s} s`).toBeLessThanOrEqual(600);
      expect(points, `${range_s} s`).toBeGreaterThanOrEqual(100);
    }
  });
});

describe('the slider', () => {
  test('stands in a window that keeps still while one scrubs', () => {
    const one = windowAround(10_000, 900, 0, 100_000);
    expect(windowAround(10_050, 900, 0, 100_000)).toEqual(one);
    for (let at = 0; at <= 100_000; at += 37) {
      const window = windowAround(at, 900, 0, 100_000);
      expect(window.from <= at && at <= window.to, `${at}`).toBe(true);
      expect(window.from).toBeGreaterThanOrEqual(0);
      expect(window.to).toBeLessThanOrEqual(100_000);
    }
    expect(windowAround(5, 900, 0, 60)).toEqual({ from: 0, to: 60 });
  });

  test('moves by a second, ten, a minute', () => {
    expect([keyStep('ArrowLeft', false), keyStep('ArrowRight', true), keyStep('PageUp', false), keyStep('a', false)]).toEqual([-1, 10, 60, undefined]);
  });
});

describe('an incident', () => {
  const it = recorded.incident;
  test('tells its clocks from the onset on', () => {
    const said = clocks(it.clocks as never).map((clock) => `${clock.name} ${after(clock.after_s)}`);
    expect(said.slice(0, 2)).toEqual(['Impact started onset', `Detected +${duration(it.clocks.detect_s)}`]);
    expect(said).toContain('Acknowledged –');
  });

  test('names who was hit with both numbers, or says that nobody measured it', () => {
    const measured = impact({ ...it.impact, users_affected: 702, users: 2000 } as Impact);
    expect(measured[0]).toMatchObject({ says: '702 of 2,000 (35 %), known by query comment key user_id' });
    const unknown = impact({ ...it.impact, users: null, users_affected: null } as Impact);
    expect(unknown[0]).toEqual({ name: 'Users affected', says: 'not measured', ratio: null });
  });

  test('lays evidence beside what is usual on one scale', () => {
    expect(compared({ says: '', metric: 'x_per_second', value: 200, baseline: 100, query: '', from: '', to: '' })).toEqual({ now: '200/s', usual: '100/s', bars: { now: 1, usual: 0.5 } });
    expect(compared({ says: '', metric: 'x_seconds', value: 1, baseline: null, query: '', from: '', to: '' }).bars).toBeUndefined();
  });

  test('offers first what is most likely next', () => {
    expect(['open', 'acknowledged', 'mitigated', 'resolved', 'reviewed', 'closed'].map((state) => steps('INC-1', state)[0]?.label)).toEqual(['Acknowledge', 'Mitigated', 'Resolve', 'Reviewed', 'Close', 'Reopen']);
  });

  test('is shown with a calm before it, never beyond now', () => {
    const now = Date.parse(it.clocks.impact_started_at) + 20_000;
    const [from, to] = window_ms({ ...it.clocks, resolved_at: null } as never, now);
    expect(to).toBe(now);
    expect(from).toBe(Date.parse(it.clocks.impact_started_at) - 30_000);
  });
});

test('every level and status has a word and a shape of its own kind', () => {
  const levels = ['exhausted', 'saturated', 'starved', 'stalled', 'down', 'degraded', 'leak', null].map((name) => level(name));
  expect(new Set(levels.map((mark) => mark.word)).size).toBe(8);
  for (const bad of levels.filter((mark) => mark.tone !== 'ok')) expect(bad.shape).not.toBe('circle');
  expect(status('open').shape).not.toBe(status('resolved').shape);
});

test('names in a sentence are marked; a lone backtick is one', () => {
  const said = (text: string) => spans(text).map((span) => (span.code ? `<${span.text}>` : span.text)).join('|');
  expect(said('pool `a/b` is dry: `size` 10')).toBe('pool |<a/b>| is dry: |<size>| 10');
  expect(said('5` long')).toBe('5` long');
  expect(said('``')).toBe('');
});

test('what a newer Weir tells of itself is shown too', () => {
  expect(rest({ version: '1', process: {}, loop: { turn_s: 1.5, resident_bytes: 2048 }, turns: 3 })).toEqual([
    { name: 'Loop', rows: [{ name: 'Turn', value: '1.5 s' }, { name: 'Resident', value: '2 KiB' }] },
    { name: 'More', rows: [{ name: 'Turns', value: '3' }] },
  ]);
});
