/**
 * Which page does an address mean, and what is the address of a page?
 *
 * The address holds everything that a colleague must see alike: page, instant, range, filters,
 * comparison. `read(write(place)) == place` for each place.
 */

export type Page =
  | { name: 'overview' }
  | { name: 'pools' }
  | { name: 'pool'; database: string; user: string }
  | { name: 'waits' }
  | { name: 'queries' }
  | { name: 'incidents' }
  | { name: 'incident'; id: string }
  | { name: 'blackbox' }
  | { name: 'decisions' }
  | { name: 'configuration' }
  | { name: 'status' }
  | { name: 'lost'; path: string };

export type PageName = Page['name'];

export interface Place {
  page: Page;
  /** What stands behind the question mark, in order of its keys. */
  query: Readonly<Record<string, string>>;
}

const SINGLE = [
  'pools',
  'waits',
  'queries',
  'incidents',
  'blackbox',
  'decisions',
  'configuration',
  'status',
] as const;

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

function pageOf(path: string): Page {
  const parts = path.split('/').filter((part) => part !== '').map(decoded);
  const lost: Page = { name: 'lost', path };
  if (parts.some((part) => part === undefined)) return lost;
  const [first, second, third] = parts as string[];
  if (first === undefined) return { name: 'overview' };
  if (parts.length === 1) {
    const single = SINGLE.find((name) => name === first);
    return single ? { name: single } : lost;
  }
  if (first === 'pools' && parts.length === 3 && second && third) {
    return { name: 'pool', database: second, user: third };
  }
  if (first === 'incidents' && parts.length === 2 && second) return { name: 'incident', id: second };
  return lost;
}

export function read(path: string, search: string): Place {
  const query: Record<string, string> = {};
  const params = [...new URLSearchParams(search)].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [key, value] of params) if (value !== '') query[key] = value;
  return { page: pageOf(path), query };
}

function pathOf(page: Page): string {
  switch (page.name) {
    case 'overview':
      return '/';
    case 'pool':
      return `/pools/${encodeURIComponent(page.database)}/${encodeURIComponent(page.user)}`;
    case 'incident':
      return `/incidents/${encodeURIComponent(page.id)}`;
    case 'lost':
      return page.path;
    default:
      return `/${page.name}`;
  }
}

export function write(place: Place): string {
  const entries = Object.entries(place.query)
    .filter(([, value]) => value !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1));
  // Colons and slashes may stand in a query, and times are easier to read with them.
  const search = new URLSearchParams(entries).toString().replaceAll('%3A', ':').replaceAll('%2F', '/');
  return pathOf(place.page) + (search ? `?${search}` : '');
}

/** Keys that go along from page to page: the instant one looks at, and what it is compared with. */
const KEPT = ['at', 'compare'];

/** The address of another page, seen as of the same instant. */
export function onward(from: Place, page: Page, more: Record<string, string | undefined> = {}): string {
  const query: Record<string, string> = {};
  for (const key of KEPT) {
    const value = from.query[key];
    if (value !== undefined) query[key] = value;
  }
  for (const [key, value] of Object.entries(more)) {
    if (value === undefined) delete query[key];
    else query[key] = value;
  }
  return write({ page, query });
}
