/**
 * The dashboard in a browser, before a real Weir with a real incident. `make web-test` runs this; README.md
 * beside it says how to run a part.
 */
import { after, before } from 'node:test';
import { launch, Reader } from './browser.js';
import { demo } from './stage.js';
import { story } from './story.js';
import { front } from './front.js';

const stage = { ready: false, readers: [] };

before(async () => {
  stage.browser = await launch();
  stage.weir = await demo();
  await stage.weir.ready();
  const port = process.env.WEIR_FRONT ? await front(stage.weir.port) : stage.weir.port;
  stage.url = `http://127.0.0.1:${port}`;
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
  const how = await stage.weir?.end();
  if (how !== undefined && how !== 'ended with 0') console.error(`weir demo ${how}\n${stage.weir.said()}`);
});

story(stage);
