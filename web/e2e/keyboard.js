/**
 * An incident from beginning to end without a mouse: declared, acknowledged, written about, mitigated,
 * resolved, looked at in the black box, its report opened. Each stop of the focus must be seen.
 */
import assert from 'node:assert/strict';
import { chapter, loaded, none, says } from './steps.js';
import { focus, tabTo } from './look.js';
import { until } from './wait.js';

const NAME = 'Kim';

export function keyboard(stage) {
  chapter('by keyboard alone', stage, (step) => {
    let reader;
    let page;
    /** Types into the focus, field by field: by their labels, in the order of the dialog. */
    const fill = async (fields) => {
      for (const [label, value] of Object.entries(fields)) {
        let at = await focus(page);
        if (!at.name.startsWith(label)) at = await tabTo(page, `the field “${label}”`, (one) => one.name.startsWith(label));
        assert.ok(at.inDialog, `“${label}” is outside of the dialog`);
        await page.keyboard.press('Control+A');
        await page.keyboard.type(value);
      }
    };
    /** Presses the button, fills in what it asks for, sends it. */
    const doIt = async (testid, fields) => {
      await tabTo(page, testid, (at) => at.testid === testid);
      await page.keyboard.press('Enter');
      await page.getByTestId('act').waitFor();
      await until('the focus goes into the dialog', async () => (await focus(page)).inDialog);
      await fill(fields);
      await tabTo(page, 'the button that sends', (at) => at.testid === 'act-send');
      await page.keyboard.press('Enter');
      await page.getByTestId('act').waitFor({ state: 'hidden' });
    };
    const go = async (keys, heading) => {
      for (const key of keys) await page.keyboard.press(key);
      await until(`${keys} leads to ${heading}`, async () => (await page.locator('main h1').innerText()) === heading);
      await loaded(page);
      await until('the heading has the focus', async () => (await focus(page)).tag === 'h1');
    };

    step('the first stop leads past the navigation', async (stage) => {
      reader = await stage.open();
      page = reader.page;
      await reader.open('/');
      await loaded(page);
      await page.keyboard.press('Tab');
      const at = await focus(page);
      assert.match(at.name, /Skip to the content/);
      none('the skip link', at.faults);
      await page.keyboard.press('Enter');
      await until('the content has the focus', () => page.evaluate(() => document.activeElement?.id === 'content'));
    });

    step('? shows the keys, Escape closes them, and the focus comes back', async () => {
      const before = await tabTo(page, 'a button', (at) => at.tag === 'button' || at.tag === 'input' || at.tag === 'a');
      if (before.tag === 'input') await tabTo(page, 'something that takes no text', (at) => at.tag !== 'input');
      const from = await focus(page);
      await page.keyboard.press('?');
      await says(page, 'keys', /g i.*incidents/);
      assert.ok((await focus(page)).inDialog, 'the focus stayed behind the dialog');
      await page.keyboard.press('Escape');
      await page.getByTestId('keys').waitFor({ state: 'hidden' });
      assert.equal((await focus(page)).name, from.name);
    });

    step('declares an incident', async () => {
      await go(['g', 'i'], 'Incidents');
      await doIt('declare', { 'What is wrong': 'Customers report slow pages', 'Your name': NAME });
      await until('it is listed', async () => (await page.getByTestId('incidents').getByText('Customers report slow pages').count()) > 0);
      await tabTo(page, 'its link', (at) => at.tag === 'a' && at.name.startsWith('Customers report'));
      await page.keyboard.press('Enter');
      await says(page, page.locator('main h1'), /Customers report slow pages/);
      await loaded(page);
    });

    step('the dialog keeps the focus inside, and gives it back where it came from', async () => {
      await tabTo(page, 'Acknowledge', (at) => at.testid === 'ack');
      await page.keyboard.press('Enter');
      await page.getByTestId('act').waitFor();
      const stops = new Set();
      for (let n = 0; n < 12; n += 1) {
        await page.keyboard.press(n < 8 ? 'Tab' : 'Shift+Tab');
        const at = await focus(page);
        none('focus', at.faults);
        // Between the last and the first stop the browser's own bar may have it; nothing of the page may.
        assert.ok(at.inDialog || at.tag === 'body', `the focus left the dialog for ${at.tag} “${at.name}”`);
        stops.add(at.name);
      }
      assert.ok(stops.size >= 4, [...stops].join(', '));
      await page.keyboard.press('Escape');
      await page.getByTestId('act').waitFor({ state: 'hidden' });
      assert.equal((await focus(page)).testid, 'ack');
    });

    step('acknowledges, writes, mitigates, resolves', async (stage) => {
      const path = new URL(page.url()).pathname.split('/').pop();
      const status = async () => (await stage.weir.get(`/api/v1/incidents/${path}`)).status;
      // From the top again: what has been done must not have thrown the reader elsewhere.
      const top = () => page.locator('main h1').focus();
      await top();
      await doIt('ack', { 'What you are doing first': 'Reading.', 'Your name': NAME });
      assert.equal(await status(), 'acknowledged');
      await until('the button is gone', async () => (await page.getByTestId('ack').count()) === 0);
      await top();
      await doIt('annotate', { 'What you saw': 'It was a rehearsal.' });
      await says(page, 'timeline', /It was a rehearsal\./);
      await top();
      await doIt('mitigate', { 'What helped': 'Nothing was wrong.' });
      await until('mitigated', async () => (await status()) === 'mitigated');
      await page.getByTestId('reopen').waitFor();
      await top();
      await doIt('resolve', { 'What fixed it': 'Nothing was wrong.' });
      await until('resolved', async () => (await status()) === 'resolved');
    });

    step('moves through the black box', async () => {
      await go(['g', 'b'], 'Black box');
      await tabTo(page, 'the slider', (at) => at.testid === 'scrub');
      const before = Number(await page.getByTestId('scrub').inputValue());
      await page.keyboard.press('ArrowLeft');
      await page.keyboard.press('Shift+ArrowLeft');
      await page.keyboard.press('PageDown');
      // Before the first recorded second there is nothing to go to.
      await until('71 seconds earlier, or the beginning', async () => {
        const slider = page.getByTestId('scrub');
        const wanted = Math.max(before - 71, Number(await slider.getAttribute('min')));
        return Math.abs(Number(await slider.inputValue()) - wanted) <= 2;
      });
      await says(page, 'as-of', /As it was at/);
      await page.keyboard.press('l');
      await page.getByTestId('as-of').waitFor({ state: 'detached' });
    });

    step('opens the report', async () => {
      await go(['g', 'i'], 'Incidents');
      await tabTo(page, 'the founding incident', (at) => at.tag === 'a' && at.name === 'INC-1');
      await page.keyboard.press('Enter');
      await loaded(page);
      // It stands last on the page, after each line of the timeline.
      await tabTo(page, 'the report', (at) => at.testid === 'report-link', 150);
      const [report] = await Promise.all([reader.context.waitForEvent('page'), page.keyboard.press('Enter')]);
      await report.getByRole('heading', { name: '1. Issue summary' }).waitFor();
      await report.close();
    });

    step('nothing went wrong in the browser meanwhile', async (stage) => {
      none('faults', await reader.wrong());
      await stage.done(reader);
    });
  });
}
