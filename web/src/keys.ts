/**
 * Which keys do what? One table for the listener and for the help that shows it. Pure.
 */

export interface Key {
  keys: string;
  does: string;
}

export const GO: Record<string, string> = {
  o: '/',
  p: '/pools',
  w: '/waits',
  q: '/queries',
  i: '/incidents',
  b: '/blackbox',
  d: '/decisions',
  c: '/configuration',
  s: '/status',
};

export const KEYS: Key[] = [
  { keys: 'g o', does: 'overview' },
  { keys: 'g p', does: 'pools' },
  { keys: 'g w', does: 'waits' },
  { keys: 'g q', does: 'queries' },
  { keys: 'g i', does: 'incidents' },
  { keys: 'g b', does: 'black box' },
  { keys: 'g d', does: 'decisions' },
  { keys: 'g c', does: 'configuration' },
  { keys: 'g s', does: 'status of Weir' },
  { keys: '/', does: 'filter, where the page has one' },
  { keys: 'Space', does: 'pause and go on with live updates' },
  { keys: '[  ]', does: 'as it was: a second earlier, later' },
  { keys: '{  }', does: 'as it was: a minute earlier, later' },
  { keys: 'l', does: 'back to live' },
  { keys: 't', does: 'light, dark, or as the system has it' },
  { keys: '?', does: 'these keys; also when the others are off' },
  { keys: 'Esc', does: 'close a dialog' },
];

export type Press =
  | { do: 'go'; path: string }
  | { do: 'help' | 'filter' | 'pause' | 'live' | 'theme' }
  | { do: 'step'; seconds: number };

export interface Pressed {
  key: string;
  /** What was pressed just before, if it was `g` and not long ago. */
  after: string;
  /** Whoever has the focus wants the key for itself. */
  typing: boolean;
  /** Somebody turned single keys off (WCAG 2.1.4). */
  off: boolean;
  /** The focus is on something that Space presses. */
  pressable: boolean;
  modified: boolean;
}

export function press({ key, after, typing, off, pressable, modified }: Pressed): Press | undefined {
  if (typing || modified) return undefined;
  if (off) return key === '?' ? { do: 'help' } : undefined;
  if (after === 'g') {
    const path = GO[key];
    return path === undefined ? undefined : { do: 'go', path };
  }
  switch (key) {
    case '?':
      return { do: 'help' };
    case '/':
      return { do: 'filter' };
    case ' ':
      return pressable ? undefined : { do: 'pause' };
    case '[':
      return { do: 'step', seconds: -1 };
    case ']':
      return { do: 'step', seconds: 1 };
    case '{':
      return { do: 'step', seconds: -60 };
    case '}':
      return { do: 'step', seconds: 60 };
    case 'l':
      return { do: 'live' };
    case 't':
      return { do: 'theme' };
    default:
      return undefined;
  }
}
