/**
 * The dashboard in a browser, before a real Weir with a real incident. `make web-test` runs this; README.md
 * beside it says how to run a part.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { access } from './access.js';
import { launch, Reader } from './browser.js';
import { keyboard } from './keyboard.js';
import { pages } from './pages.js';
import { paint } from './paint.js';
import { demo } from './stage.js';
import { story } from './story.js';
import { stream } from './stream.js';

/** What the chapters share. `readers` are those whose pages are kept when a step fails. */
const stage = { ready: false, readers: [] };
/** Of the demo's own words, the newest lines that a failure shows. */
const LINES = 40;

before(async () => {
  stage.browser = await launch();
  stage.weir = await demo();
  await stage.weir.ready();
  stage.url = stage.weir.url;
  stage.open = async (options, url = stage.url) => {
    const reader = await Reader.at(stage.browser, url, options);
    stage.readers.push(reader);
    return reader;
  };
  stage.done = async (reader) => {
    stage.readers = stage.readers.filter((one) => one !== reader);
    await reader.close();
  };
  stage.reader = await stage.open();
  stage.ready = true;
});

after(async () => {
  await stage.browser?.close();
  if (!stage.ended) await stage.weir?.end();
});

story(stage);
paint(stage);
stream(stage);
keyboard(stage);
pages(stage);
access(stage);

test('the demo behind it passed, too, and ends cleanly when asked', async () => {
  stage.ended = await stage.weir.end();
  assert.equal(stage.ended, 'ended with 0', stage.weir.lines.slice(-LINES).join('\n'));
});
