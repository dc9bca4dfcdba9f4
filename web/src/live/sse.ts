/**
 * What does this piece of a `text/event-stream` say?
 *
 * The browser's own EventSource can't begin with a `Last-Event-ID`, so a tab that takes the stream
 * over from another would miss what came between. This parser reads the same format from `fetch`.
 *
 * What always holds: however the network cuts the bytes, the same events come out.
 */

export interface StreamEvent {
  id: string;
  event: string;
  data: string;
}

/** A line without an end is kept up to here; a server that sends more isn't Weir. */
const LINE_MAX = 32 << 20;

export class EventParser {
  #rest = '';
  #event = '';
  #data: string[] = [];
  #id = '';
  /** How long to wait before coming back, where the server said so. */
  retry_ms: number | undefined;

  constructor(lastId = '') {
    this.#id = lastId;
  }

  /** Takes the next piece of text; gives the events that it completes. */
  feed(text: string): StreamEvent[] {
    const out: StreamEvent[] = [];
    let rest = this.#rest + text;
    if (rest.length > LINE_MAX) throw new Error('a line of the event stream has no end');
    for (;;) {
      const end = rest.search(/[\r\n]/);
      if (end < 0) break;
      // A carriage return at the very end may be half of a pair.
      if (rest[end] === '\r' && end === rest.length - 1) break;
      const line = rest.slice(0, end);
      rest = rest.slice(rest.startsWith('\r\n', end) ? end + 2 : end + 1);
      this.#line(line, out);
    }
    this.#rest = rest;
    return out;
  }

  #line(line: string, out: StreamEvent[]): void {
    if (line === '') {
      if (this.#data.length > 0) {
        out.push({ id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') });
      }
      this.#event = '';
      this.#data = [];
      return;
    }
    if (line.startsWith(':')) return;
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.retry_ms = Number(value);
  }
}

/** How long to wait before the attempt of this number (from 1): doubling from half a second to ten,
 * give or take a quarter, so that a hundred browsers don't come back at once. `dice` is in 0..1. */
export function backoff_ms(attempt: number, dice: number): number {
  const base = Math.min(10_000, 500 * 2 ** Math.min(10, Math.max(0, attempt - 1)));
  return Math.round(base * (0.75 + dice / 2));
}
