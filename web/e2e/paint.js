/** How soon does a reader see something? The first paint of a browser that was never here. */
import assert from 'node:assert/strict';
import { chapter, id } from './steps.js';
import { until } from './wait.js';

const TIMES = 5;
const FIRST_PAINT_MS = 300;
/** Other work on the machine can only make a paint later, so one quiet round in so many is proof. */
const ROUNDS = 4;

async function round(stage) {
  const rows = [];
  for (let n = 0; n < TIMES; n += 1) {
    const reader = await stage.open();
    await reader.open('/');
    await id(reader.page, 'path').waitFor();
    const filled = await reader.page.evaluate(() => performance.now());
    const first = await until('a paint', () => reader.page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime));
    rows.push({ first, filled });
    await stage.done(reader);
  }
  const median = (key) => rows.map((row) => row[key]).sort((a, b) => a - b)[Math.floor(TIMES / 2)];
  return { first: median('first'), filled: median('filled') };
}

export function paint(stage) {
  chapter('the first paint', stage, (step) => {
    step(`comes within ${FIRST_PAINT_MS} ms, the median of ${TIMES}`, async (stage) => {
      const rounds = [];
      while (rounds.length < ROUNDS && !rounds.some(({ first }) => first < FIRST_PAINT_MS)) {
        rounds.push(await round(stage));
        const { first, filled } = rounds.at(-1);
        console.log(`    first contentful paint ${first.toFixed(0)} ms, the overview with its numbers after ${filled.toFixed(0)} ms (medians of ${TIMES})`);
      }
      assert.ok(rounds.at(-1).first < FIRST_PAINT_MS, `the first paint came after ${rounds.map(({ first }) => first.toFixed(0)).join(', ')} ms`);
    });
  });
}
