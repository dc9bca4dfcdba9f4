/**
 * The stream of events: one for all tabs of a browser; cut, it is said to be stale; back, it goes on
 * where it was and nothing is missing.
 */
import assert from 'node:assert/strict';
import { chapter, id, loaded, none, says } from './steps.js';
import { until } from './wait.js';
import { Listener, Wire } from './wire.js';

const BACK_MS = 30_000;
/** So many events after the cut show that the stream is really back. */
const MORE = 3;

const heard = (page) => page.evaluate(() => globalThis.weirHeard.map((event) => event.id));
const numberOf = (id) => Number(id.split('-')[1]);

/** `ids` are those that a listener which was never cut heard between the first and the last of them. */
function whole(ids, truth) {
  assert.deepEqual(ids, [...new Set(ids)], 'an event came twice');
  const [first, last] = [numberOf(ids[0]), numberOf(ids.at(-1))];
  const expected = truth.filter((one) => numberOf(one) >= first && numberOf(one) <= last);
  assert.deepEqual(ids, expected, 'events are missing, or out of order');
}

export function stream(stage) {
  chapter('the stream', stage, (step) => {
    step('cut, it is shown as stale, and resumed without a gap', async (stage) => {
      const truth = await Listener.at(stage.weir.url);
      const wire = await Wire.to(new URL(stage.url).port);
      const reader = await stage.open({}, wire.url);
      const { page } = reader;
      try {
        await reader.open('/');
        await loaded(page);
        await until('events come', async () => (await heard(page)).length >= MORE);
        assert.equal(await id(page, 'stale').count(), 0);

        reader.cutting = true;
        wire.cut();
        const said = await says(page, 'stale', /nothing was heard from Weir for \d/);
        assert.match(said, /What is shown is as of \d\d:\d\d:\d\d UTC/);
        await says(page, 'live-state', /Broken/);
        const before = await heard(page);
        // Long enough that there is something to miss.
        await until('events that nobody hears', () => truth.heard.length > 0 && numberOf(truth.heard.at(-1)) >= numberOf(before.at(-1)) + MORE);
        wire.mend();

        await until('events come again', async () => numberOf((await heard(page)).at(-1)) >= numberOf(before.at(-1)) + 2 * MORE, BACK_MS);
        await id(page, 'stale').waitFor({ state: 'detached' });
        await says(page, 'live-state', /^Live/);
        reader.cutting = false;
        whole(await heard(page), truth.heard);
        const resumed = reader.streams.slice(1).map((one) => one.after);
        assert.ok(resumed.length > 0 && resumed.every((after) => after === before.at(-1)), `resumed after ${resumed}, the last event heard was ${before.at(-1)}`);
        none('faults in the browser', await reader.wrong());
      } finally {
        await stage.done(reader);
        await wire.close();
        await truth.stop();
      }
    });

    step('is one for all tabs of a browser, and goes on in another when its tab is closed', async (stage) => {
      const truth = await Listener.at(stage.weir.url);
      const reader = await stage.open();
      const first = reader.page;
      await reader.open('/');
      await until('events come', async () => (await heard(first)).length > 0);
      const second = await reader.context.newPage();
      await reader.open('/pools', second);
      await until('events come in the second tab', async () => (await heard(second)).length >= MORE);
      assert.equal(reader.streams.length, 1, 'each tab listens for itself');
      await first.close();
      const before = (await heard(second)).at(-1);
      await until('the second tab goes on', async () => numberOf((await heard(second)).at(-1)) >= numberOf(before) + MORE, BACK_MS);
      assert.equal(reader.streams.length, 2);
      whole(await heard(second), truth.heard);
      none('faults in the browser', await reader.wrong());
      await truth.stop();
      await stage.done(reader);
    });

    step('paused, nothing moves; afterwards the page is as it is', async (stage) => {
      const reader = await stage.open();
      const { page } = reader;
      await reader.open('/');
      await loaded(page);
      await id(page, 'pause').click();
      await says(page, 'live-state', /Paused/);
      const content = () => page.locator('main').innerText();
      const still = await content();
      const from = (await heard(page)).length;
      await until('events come meanwhile', async () => (await heard(page)).length >= from + MORE);
      assert.equal(await content(), still);
      await id(page, 'pause').click();
      await until('it moves again', async () => (await content()) !== still);
      await stage.done(reader);
    });
  });
}
