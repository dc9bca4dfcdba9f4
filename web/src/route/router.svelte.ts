/** Where is the reader? The address bar as state, and the ways to move. */
import { onward, read, write, type Page, type Place } from './route';

class Router {
  place = $state.raw<Place>(read(location.pathname, location.search));
  /** How often another page was gone to: each time its heading gets the focus. */
  moves = $state(0);

  start(): void {
    addEventListener('popstate', () => {
      this.place = read(location.pathname, location.search);
    });
    document.addEventListener('click', (event) => {
      if (event.defaultPrevented || event.button !== 0) return;
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      const link = (event.target as Element | null)?.closest?.('a');
      if (!link || link.target || link.hasAttribute('download')) return;
      const url = new URL(link.href, location.href);
      if (url.origin !== location.origin) return;
      if (url.hash && url.pathname === location.pathname && url.search === location.search) return;
      const place = read(url.pathname, url.search);
      // What isn't a page (the API, a report) is the server's to answer.
      if (place.page.name === 'lost') return;
      event.preventDefault();
      this.go(place);
    });
  }

  go(place: Place): void {
    const same = write(place) === write(this.place);
    if (!same) history.pushState(null, '', write(place));
    const moved = JSON.stringify(place.page) !== JSON.stringify(this.place.page);
    this.place = place;
    if (moved) {
      scrollTo(0, 0);
      this.moves += 1;
    }
  }

  /** Changes keys of the query. Typing in a filter is no step that Back should undo. */
  set(changes: Record<string, string | undefined>, how: 'push' | 'replace' = 'replace'): void {
    const query: Record<string, string> = { ...this.place.query };
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined || value === '') delete query[key];
      else query[key] = value;
    }
    const place = { page: this.place.page, query };
    if (write(place) === write(this.place)) return;
    if (how === 'push') history.pushState(null, '', write(place));
    else history.replaceState(null, '', write(place));
    this.place = read(location.pathname, location.search);
  }

  /** The address of another page as of the same instant. */
  to(page: Page, more: Record<string, string | undefined> = {}): string {
    return onward(this.place, page, more);
  }

  get at(): string | undefined {
    return this.place.query.at;
  }
}

export const router = new Router();
