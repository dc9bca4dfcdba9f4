/**
 * What has Weir said, and how long ago? The one state that all pages stand on.
 *
 * What always holds:
 * - Events are applied once per frame, in order, however many came.
 * - While paused, or while the tab is hidden, nothing moves; afterwards the pages ask anew.
 * - `silent_s` counts from the last sign of life, not from the last change.
 */
import type { components } from '../api/schema';
import { poolName } from '../words/names';
import { listen, type Heard, type Share } from './share';
import type { StreamEvent } from './sse';

/** Longer silence than this is said at the top of each page. */
export const STALE_S = 3;

/** Of all that an incident's journal says, these are worth an interruption. Judged here: entries of one
 * frame come together, and the finding that follows an opening must not hide it. */
const TOLD = new Set(['opened', 'acknowledged', 'mitigated', 'resolved', 'reopened', 'escalated', 'severity_changed']);

type Sample = components['schemas']['SampleEvent'];
type Brief = components['schemas']['PoolBrief'];

export interface IncidentNews {
  at: string;
  id: string;
  status: string;
  title: string;
  kind: string;
}

class Live {
  /** Grows once a second, with each sample; pages ask again when it does. */
  tick = $state(0);
  /** Grows when what is shown can't be trusted to be whole: after a gap, a pause, a reconnect. */
  epoch = $state(0);
  /** Grows with each decision, and with each entry in an incident's journal. */
  decisions = $state(0);
  incidents = $state(0);
  /** The instant of the last sample, as Weir's clock has it. */
  at = $state<string | undefined>();
  silent_s = $state(0);
  connected = $state(false);
  /** Why it isn't. */
  trouble = $state('');
  /** A token is needed. */
  locked = $state(false);
  paused = $state(false);
  /** What of an incident is to be announced. */
  news = $state.raw<IncidentNews | undefined>();
  /** The newest row of each pool that the stream has told of, by name. Bounded by the pools. */
  pools = $state.raw<ReadonlyMap<string, Brief>>(new Map());
  /** The sums over all pools, as of the last sample. */
  overview = $state.raw<Sample['overview']>();

  #heardAt = 0;
  #share: Share | undefined;
  #waiting: StreamEvent[] = [];
  #frame = false;
  #wasDown = false;

  start(): void {
    if (this.#share) return;
    this.#heardAt = performance.now();
    this.#share = listen((what) => this.#heard(what));
    setInterval(() => {
      const silent = Math.floor((performance.now() - this.#heardAt) / 1000);
      if (silent !== this.silent_s) this.silent_s = silent;
    }, 500);
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return;
      this.#share?.hurry();
      this.#waiting = [];
      this.epoch += 1;
    });
    addEventListener('online', () => this.#share?.hurry());
  }

  /** After somebody signed in, or wants it now. */
  retry(): void {
    this.#share?.hurry();
    this.epoch += 1;
  }

  pause(paused: boolean): void {
    this.paused = paused;
    if (!paused) {
      this.#waiting = [];
      this.epoch += 1;
    }
  }

  #heard(what: Heard): void {
    if (what.kind === 'down') {
      this.connected = false;
      this.trouble = what.says;
      this.#wasDown = true;
      if (what.status === 401) this.locked = true;
      return;
    }
    this.#heardAt = performance.now();
    if (this.silent_s !== 0) this.silent_s = 0;
    if (!this.connected) {
      this.connected = true;
      this.trouble = '';
      // A connection that began was let in; one that is still open says nothing of who may read now.
      this.locked = false;
      if (this.#wasDown) this.epoch += 1;
      this.#wasDown = false;
    }
    if (what.kind === 'event') this.#queue(what.event);
  }

  #queue(event: StreamEvent): void {
    // News of incidents is told even by a page that stands still; numbers aren't.
    if ((this.paused || document.hidden) && event.event !== 'incident') return;
    this.#waiting.push(event);
    if (this.#frame) return;
    this.#frame = true;
    const apply = () => {
      this.#frame = false;
      const events = this.#waiting;
      this.#waiting = [];
      for (const one of events) this.#apply(one);
    };
    if (document.hidden) setTimeout(apply, 100);
    else requestAnimationFrame(apply);
  }

  #apply(event: StreamEvent): void {
    switch (event.event) {
      case 'sample': {
        const body = JSON.parse(event.data) as Sample;
        this.at = body.at;
        // A sample tells of those that changed; a whole one also that others are gone.
        if (body.kind === 'brief') {
          const pools = new Map(body.whole ? [] : this.pools);
          for (const pool of body.pools as Brief[]) pools.set(poolName(pool), pool);
          this.pools = pools;
        }
        this.overview = body.overview;
        this.tick += 1;
        break;
      }
      case 'decision':
        this.decisions += 1;
        break;
      case 'incident': {
        const body = JSON.parse(event.data) as {
          at: string;
          entry: { kind: string };
          incident: components['schemas']['IncidentSummary'];
        };
        this.incidents += 1;
        const { id, status, title } = body.incident;
        if (TOLD.has(body.entry.kind)) this.news = { at: body.at, id, status, title, kind: body.entry.kind };
        break;
      }
      case 'skipped':
        this.epoch += 1;
        break;
    }
  }
}

export const live = new Live();
