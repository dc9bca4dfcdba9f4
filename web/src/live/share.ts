/**
 * Which tab listens to Weir? One per browser; the others listen to that tab.
 *
 * Tabs queue for a Web Lock; who holds it reads `/api/v1/events` and passes every event on through
 * a BroadcastChannel. When it closes, the next in the queue goes on with the id that it saw last,
 * so nothing is missed at the change. Where there are no locks (a plain http address other than
 * loopback), each tab listens for itself.
 */
import { backoff_ms, EventParser, type StreamEvent } from './sse';

const PATH = '/api/v1/events?pools=brief';
const NAME = 'weir.stream';
/** The others are told at most this often that the stream lives though nothing happened. */
const ALIVE_MS = 1_000;
/** The server says something every ten seconds at least; a connection silent for longer is dead,
 * whatever TCP thinks. */
const DEAD_MS = 25_000;

export type Heard =
  | { kind: 'event'; event: StreamEvent }
  | { kind: 'alive' }
  | { kind: 'down'; says: string; status: number };

export interface Share {
  stop(): void;
  /** Comes back at once instead of after the pause. */
  hurry(): void;
}

/** What the world outside gives; a test gives another. */
export interface World {
  fetch: typeof fetch;
  locks: Pick<LockManager, 'request'> | undefined;
  channel: BroadcastChannel | undefined;
  now: () => number;
  /** In 0..1. */
  dice: () => number;
  /** Calls back after so many milliseconds; gives what calls it off. */
  later: (then: () => void, ms: number) => () => void;
}

function browser(): World {
  const locks = globalThis.navigator?.locks;
  return {
    fetch: (...ask) => fetch(...ask),
    locks,
    // Without locks each tab leads; what it heard would be told twice.
    channel: locks && 'BroadcastChannel' in globalThis ? new BroadcastChannel(NAME) : undefined,
    now: () => performance.now(),
    dice: Math.random,
    later: (then, ms) => {
      const timer = setTimeout(then, ms);
      return () => clearTimeout(timer);
    },
  };
}

/** `heard` is called in this tab for all that any tab hears. */
export function listen(heard: (what: Heard) => void, world: World = browser()): Share {
  const { channel, locks, later } = world;
  const stop = new AbortController();
  let lastId = '';
  let leading = false;
  let aliveAt = -Infinity;
  let wake: (() => void) | undefined;

  const take = (what: Heard) => {
    if (what.kind === 'event' && what.event.id) lastId = what.event.id;
    heard(what);
  };
  const tell = (what: Heard) => {
    take(what);
    channel?.postMessage(what);
  };
  const alive = () => {
    const now = world.now();
    if (now - aliveAt < ALIVE_MS) return;
    aliveAt = now;
    tell({ kind: 'alive' });
  };

  channel?.addEventListener('message', ({ data }: MessageEvent<Heard>) => {
    if (leading) return;
    take(data);
  });

  async function once(): Promise<void> {
    const dead = new AbortController();
    let calm = later(() => dead.abort(), DEAD_MS);
    try {
      const response = await world.fetch(PATH, {
        headers: { accept: 'text/event-stream', ...(lastId ? { 'last-event-id': lastId } : {}) },
        signal: AbortSignal.any([stop.signal, dead.signal]),
        cache: 'no-store',
        credentials: 'same-origin',
      });
      if (!response.ok || !response.body) {
        tell({ kind: 'down', says: `the stream answered ${response.status}`, status: response.status });
        return;
      }
      alive();
      const parser = new EventParser(lastId);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        calm();
        calm = later(() => dead.abort(), DEAD_MS);
        const events = parser.feed(value);
        for (const event of events) tell({ kind: 'event', event });
        alive();
      }
      tell({ kind: 'down', says: 'the stream ended', status: 0 });
    } catch {
      if (!stop.signal.aborted) tell({ kind: 'down', says: 'the stream broke', status: 0 });
    } finally {
      calm();
    }
  }

  async function lead(): Promise<void> {
    leading = true;
    let attempt = 0;
    while (!stop.signal.aborted) {
      const began = world.now();
      await once();
      attempt = world.now() - began > 5_000 ? 1 : attempt + 1;
      await new Promise<void>((resolve) => {
        const off = later(resolve, backoff_ms(attempt, world.dice()));
        wake = () => {
          off();
          resolve();
        };
      });
    }
  }

  if (locks) {
    locks.request(NAME, { signal: stop.signal }, lead).catch(() => {
      // Stopped while it stood in the queue.
    });
  } else {
    void lead();
  }
  return {
    stop: () => {
      stop.abort();
      wake?.();
      channel?.close();
    },
    hurry: () => wake?.(),
  };
}
