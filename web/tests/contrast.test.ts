import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const css = readFileSync(new URL('../src/base.css', import.meta.url), 'utf8');

function colours(block: string): Record<string, string> {
  return Object.fromEntries([...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map((match) => [match[1], match[2]])) as Record<string, string>;
}
const blocks = [...css.matchAll(/(:root[^{]*)\{([^}]*)\}/g)].map((match) => ({ selector: (match[1] ?? '').trim(), of: colours(match[2] ?? '') }));
const light = blocks.find((block) => block.selector === ':root')?.of ?? {};
const system = blocks.find((block) => block.selector.includes(':not('))?.of ?? {};
const chosen = blocks.find((block) => block.selector.includes("='dark'"))?.of ?? {};

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(a: string, b: string): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

/** Words on what they stand on: 4.5 to 1. */
const WORDS: [string, string][] = [
  ...['text', 'muted', 'accent', 'bad', 'warn', 'ok'].flatMap((word) => ['ground', 'surface', 'raised'].map((on): [string, string] => [word, on])),
  ...['text', 'muted', 'accent', 'bad', 'warn'].flatMap((word) => ['bad-ground', 'warn-ground'].map((on): [string, string] => [word, on])),
  ['on-accent', 'accent'],
];
/** Borders of controls, marks, lines of charts and the focus: 3 to 1. */
const MARKS: [string, string][] = ['edge', 'focus', 's1', 's2', 's3', 's4', 's5', 's6'].flatMap((mark) => ['ground', 'surface'].map((on): [string, string] => [mark, on]));

test.each([
  ['light', light],
  ['dark', chosen],
])('%s: words and marks stand out from what they stand on', (_name, of) => {
  const weak = (pairs: [string, string][], least: number) =>
    pairs.flatMap(([front, back]) => {
      const found = contrast(of[front] ?? '#000000', of[back] ?? '#000000');
      return found < least ? [`${front} on ${back}: ${found.toFixed(2)}`] : [];
    });
  expect(weak(WORDS, 4.5)).toEqual([]);
  expect(weak(MARKS, 3)).toEqual([]);
});

test('dark is the same, whether the system wants it or somebody chose it', () => {
  expect(Object.keys(chosen).length).toBeGreaterThan(15);
  expect(system).toEqual(chosen);
});
