/**
 * How a test is told: one after another, in one story. After a failed step the rest of its chapter
 * is left out, for it would fail for the same reason; and what could be seen is kept.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seen } from './browser.js';
import { painted, until } from './wait.js';

/** What hangs must not hang the rest: no step may take longer than this. */
const STEP_MS = 120_000;

async function within(limit_ms, work) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`the step took longer than ${limit_ms / 1000} s`)), limit_ms)));
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** `tell(step)` adds the steps; each gets what `stage` holds by then. */
export function chapter(name, stage, tell) {
  describe(name, () => {
    let failed;
    tell((says, does) =>
      test(says, async (t) => {
        if (!stage.ready) return t.skip('the stage could not be set');
        if (failed) return t.skip(`“${failed}” failed`);
        try {
          await seen(`${name} ${says}`, () => stage.readers, () => within(STEP_MS, does(stage)));
        } catch (fault) {
          failed = says;
          throw fault;
        }
      }),
    );
  });
}

export function none(what, faults) {
  assert.equal(faults.length, 0, `${what}:\n  ${faults.join('\n  ')}`);
}

export const id = (page, name) => page.getByTestId(name);

/** The text of something, once it says what is expected. */
export function says(page, where, pattern, limit_ms) {
  const locator = typeof where === 'string' ? id(page, where) : where;
  return until(`${where} says ${pattern}`, async () => {
    const text = (await locator.first().innerText()).replace(/\s+/g, ' ');
    return pattern.test(text) && text;
  }, limit_ms);
}

/** In the dialog that is open: who, the fields by their labels, and sent. Gives what the dialog said it
 * would do, and what the message afterwards says was done. */
export async function decide(page, by, fields = {}) {
  const dialog = id(page, 'act');
  await dialog.waitFor();
  const foretold = await id(page, 'act-says').innerText();
  for (const [label, value] of Object.entries(fields)) {
    const field = dialog.getByLabel(label);
    if ((await field.evaluate((element) => element.tagName)) === 'SELECT') await field.selectOption(value);
    else await field.fill(value);
  }
  await dialog.getByLabel('Your name').fill(by);
  const told = await dialog.innerText();
  await id(page, 'act-send').click();
  await dialog.waitFor({ state: 'hidden' });
  const done = await says(page, 'toasts', /\S/);
  return { foretold, told, done };
}

/** A page that has all that it asked for. */
export async function loaded(page) {
  await page.locator('main h1').first().waitFor();
  await until(`${page.url()} has loaded`, () => page.evaluate(() => !/Asking for/.test(document.querySelector('main')?.innerText ?? 'Asking for')));
  await painted(page);
}
