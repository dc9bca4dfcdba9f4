/**
 * What holds on every page: accessible in both themes, whole at the width of a phone, a tablet and a
 * desk, without motion for whoever wants none, and without a fault in the console.
 */
import assert from 'node:assert/strict';
import { axeInBoth, layout, motion } from './look.js';
import { chapter, loaded, none } from './steps.js';
import { painted, until } from './wait.js';

const PAGES = ['/', '/pools', '/pools/shop/dashboard', '/waits', '/queries', '/incidents', '/incidents/INC-1', '/blackbox', '/decisions', '/configuration', '/status', '/pools/without-a-user'];
const WIDTHS = [
  [320, 640],
  [768, 1024],
  [1440, 900],
];

export function pages(stage) {
  chapter('every page', stage, (step) => {
    step('has no accessibility fault in light and in dark, and loses nothing at 320, 768 and 1440 px', async (stage) => {
      const reader = await stage.open({ reducedMotion: 'reduce' });
      const { page } = reader;
      const faults = [];
      const add = (what, found) => faults.push(...found.map((fault) => `${what}: ${fault}`));
      for (const path of PAGES) {
        await reader.open(path);
        await loaded(page);
        add(path, await axeInBoth(page));
        for (const [width, height] of WIDTHS) {
          await page.setViewportSize({ width, height });
          await painted(page);
          add(`${path} at ${width} px`, await layout(page));
        }
        add(`${path} with reduced motion`, await motion(page));
      }
      none('faults', faults);
      none('faults in the browser', await reader.wrong());
      await stage.done(reader);
    });

    step('asks before it acts in dialogs that hold to the same, on a phone', async (stage) => {
      const reader = await stage.open({ viewport: { width: 320, height: 640 }, reducedMotion: 'reduce' });
      const { page } = reader;
      for (const [path, button] of [
        ['/incidents', 'declare'],
        ['/incidents/INC-1', 'assign'],
        ['/pools/shop/dashboard', 'resize'],
      ]) {
        await reader.open(path);
        await loaded(page);
        await page.getByTestId(button).click();
        await page.getByTestId('act').waitFor();
        none(`accessibility of ${button}`, await axeInBoth(page));
        none(`layout of ${button}`, await layout(page));
        none(`motion of ${button}`, await motion(page));
      }
      await stage.done(reader);
    });

    step('keeps the theme that was chosen, from before the first paint on', async (stage) => {
      const reader = await stage.open();
      const { page } = reader;
      const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      await reader.open('/');
      await loaded(page);
      const light = await ground();
      const button = page.getByTestId('theme');
      await button.click();
      await button.click();
      assert.match(await button.innerText(), /dark/);
      const dark = await ground();
      assert.notEqual(dark, light);
      await page.goto(`${stage.url}/status`, { waitUntil: 'commit' });
      await until('the page has a body', () => page.evaluate(() => document.body !== null));
      assert.equal(await ground(), dark, 'the page was painted in the other theme first');
      await stage.done(reader);
    });
  });
}
