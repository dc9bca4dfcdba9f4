import { describe, expect, test } from 'vitest';
import { backoff_ms, EventParser } from '../src/live/sse';
import { listen, type Heard, type World } from '../src/live/share';

const stream = ': hello\n\nevent: sample\nid: a-1\ndata: {"x":\ndata: 1}\n\nid: a-2\r\nevent: incident\r\ndata: two\r\n\r\nretry: 1500\n\ndata: three\n\n';
const wanted = [
  { id: 'a-1', event: 'sample', data: '{"x":\n1}' },
  { id: 'a-2', event: 'incident', data: 'two' },
  { id: 'a-2', event: 'message', data: 'three' },
];

describe('the parser', () => {
  test('reads the same events however the network cuts them', () => {
    for (let size = 1; size <= stream.length; size += 1) {
      const parser = new EventParser();
      const out = [];
      for (let at = 0; at < stream.length; at += size) out.push(...parser.feed(stream.slice(at, at + size)));
      expect(out, `in pieces of ${size}`).toEqual(wanted);
      expect(parser.retry_ms).toBe(1500);
    }
  });

  test('an event that was cut in the middle is not told', () => {
    expect(new EventParser().feed('id: a-9\ndata: half')).toEqual([]);
    expect(new EventParser().feed('id: a-9\ndata: half\n')).toEqual([]);
  });
});

test('coming back takes longer each time, up to ten seconds, give or take', () => {
  expect([1, 2, 3, 4, 5, 6, 20].map((attempt) => backoff_ms(attempt, 0.5))).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  expect(backoff_ms(1, 0)).toBe(375);
  expect(backoff_ms(1, 1)).toBe(625);
});

/** A Weir with a ring of events, whose connections are cut after `cuts[n]` of them. */
function server(total: number, cuts: number[]) {
  const asked: (string | null)[] = [];
  const fetch = (async (_url: string, init: RequestInit) => {
    const id = new Headers(init.headers).get('last-event-id');
    asked.push(id);
    const after = id ? Number(id.split('-')[1]) : 0;
    const cut = cuts[asked.length - 1] ?? total;
    const events = Array.from({ length: total }, (_, n) => n + 1)
      .filter((n) => n > after)
      .slice(0, cut)
      .map((n) => `id: a-${n}\nevent: sample\ndata: ${n}\n\n`)
      .join('');
    // The cut falls into the middle of the next event.
    const bytes = new TextEncoder().encode(`${events}id: a-${after + cut + 1}\ndata: lo`);
    return new Response(new Blob([bytes]).stream(), { status: 200, headers: { 'content-type': 'text/event-stream' } });
  }) as typeof globalThis.fetch;
  return { fetch, asked };
}

/** A browser's world of one tab or several: pauses end at once, dice always fall alike. */
function world(fetch: typeof globalThis.fetch, more: Partial<World> = {}): World {
  return {
    fetch,
    locks: undefined,
    channel: undefined,
    now: () => 0,
    dice: () => 0.5,
    later: (then, ms) => {
      // Silence never grows old here; pauses between attempts are over at once.
      const timer = ms < 20_000 ? setTimeout(then, 0) : undefined;
      return () => clearTimeout(timer);
    },
    ...more,
  };
}

const until = async (done: () => boolean) => {
  for (let n = 0; n < 500 && !done(); n += 1) await new Promise((resolve) => setTimeout(resolve, 2));
};

describe('the stream', () => {
  test('that breaks again and again is resumed without a gap and without a repetition', async () => {
    const weir = server(20, [3, 1, 0, 7, 2]);
    const heard: Heard[] = [];
    const numbers = () => heard.flatMap((what) => (what.kind === 'event' ? [Number(what.event.data)] : []));
    const share = listen((what) => heard.push(what), world(weir.fetch));
    await until(() => numbers().length >= 20);
    share.stop();
    expect(numbers()).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
    expect(weir.asked.slice(0, 6)).toEqual([null, 'a-3', 'a-4', 'a-4', 'a-11', 'a-13']);
    expect(heard.some((what) => what.kind === 'down')).toBe(true);
  });

  test('is read by one tab; the next goes on where the first stopped', async () => {
    const weir = server(8, [3, 0, 0, 0, 0]);
    const queue: (() => Promise<void>)[] = [];
    let held = false;
    const locks = {
      request: (_name: string, options: { signal: AbortSignal }, lead: () => Promise<void>) => {
        const run = async () => {
          held = true;
          await lead();
          held = false;
          await queue.shift()?.();
        };
        if (held) queue.push(run);
        else void run();
        options.signal.addEventListener('abort', () => {
          const place = queue.indexOf(run);
          if (place >= 0) queue.splice(place, 1);
        });
        return Promise.resolve();
      },
    } as unknown as World['locks'];
    const one = new BroadcastChannel('test');
    const two = new BroadcastChannel('test');
    const first: string[] = [];
    const second: string[] = [];
    const note = (into: string[]) => (what: Heard) => {
      if (what.kind === 'event') into.push(what.event.data);
    };
    const a = listen(note(first), world(weir.fetch, { locks, channel: one }));
    const b = listen(note(second), world(weir.fetch, { locks, channel: two }));
    await until(() => second.length >= 3);
    expect(first).toEqual(['1', '2', '3']);
    expect(second).toEqual(['1', '2', '3']);
    const before = weir.asked.length;
    a.stop();
    await until(() => second.length >= 8);
    b.stop();
    expect(second).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
    // Whoever asked, always with the id that was seen last.
    expect(new Set(weir.asked.slice(1, before + 1))).toEqual(new Set(['a-3']));
    one.close();
    two.close();
  });
});
