/**
 * Who may act: a Weir with a token shows itself to everybody where the operator allows it, and lets
 * nobody act who hasn't signed in; without that leave it shows nothing but the form.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { axeInBoth, layout } from './look.js';
import { freePort, OUT, Weir } from './stage.js';
import { chapter, id, loaded, none, says } from './steps.js';
import { until } from './wait.js';

const TOKEN = 'a-token-for-this-test-alone';

/** A Weir without a PostgreSQL behind it: enough to be looked at. */
async function guarded(more) {
  mkdirSync(OUT, { recursive: true });
  const folder = mkdtempSync(join(OUT, 'guarded-'));
  const port = await freePort();
  const [listen, upstream] = [await freePort(), await freePort()];
  writeFileSync(
    join(folder, 'weir.toml'),
    `listen = ["127.0.0.1:${listen}"]
api = "127.0.0.1:${port}"
api_token = "${TOKEN}"
${more}
store = "weir.db"
[auth]
method = "trust"
[server.main]
hosts = ["127.0.0.1:${upstream}"]
[pool.shop]
server = "main"
database = "shop"
`,
  );
  return new Weir(['run', 'weir.toml'], port, folder).ready();
}

export function access(stage) {
  chapter('who may act', stage, (step) => {
    step('where reading is open: everything is shown, nothing can be pressed, and nothing pressed would be done', async (stage) => {
      const weir = await guarded('api_read = "open"');
      const reader = await stage.open({}, weir.url);
      const { page } = reader;
      try {
        await reader.open('/incidents');
        await loaded(page);
        await says(page, 'live-state', /^Live/);
        const declare = id(page, 'declare');
        await until('the button is off', () => declare.isDisabled());
        assert.match(await declare.getAttribute('title'), /sign in/);
        const status = await page.evaluate(async () => (await fetch('/api/v1/incidents', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ by: 'nobody', title: 'x' }) })).status);
        assert.equal(status, 401);
        none('accessibility', await axeInBoth(page));
      } finally {
        await stage.done(reader);
        await weir.end();
      }
    });

    step('where it is not: the token is asked for, kept from scripts, and forgotten on leaving', async (stage) => {
      const weir = await guarded('');
      const reader = await stage.open({}, weir.url);
      const { page } = reader;
      try {
        // The browser says of each refusal that a resource failed to load; that is the point here.
        reader.cutting = true;
        await reader.open('/');
        const form = id(page, 'sign-in');
        await form.waitFor();
        none('accessibility', await axeInBoth(page));
        none('layout', await layout(page));
        await form.getByLabel('Token').fill('a guess');
        await form.getByRole('button', { name: 'Sign in' }).click();
        await says(page, form.getByRole('alert'), /\w/);
        await form.getByLabel('Token').fill(TOKEN);
        await form.getByRole('button', { name: 'Sign in' }).click();
        await id(page, 'overview').waitFor();
        await says(page, 'live-state', /^Live/);
        const cookies = await reader.context.cookies();
        assert.equal(cookies.length, 1);
        assert.equal(cookies[0].httpOnly, true);
        assert.equal(cookies[0].sameSite, 'Strict');
        assert.notEqual(cookies[0].value, TOKEN, 'the cookie holds the token itself');
        const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie);
        assert.ok(!kept.includes(TOKEN), 'the page keeps the token');
        await reader.open('/incidents');
        await until('one may act', () => id(page, 'declare').isEnabled());
        // Another reader of the same Weir has no session.
        const other = await stage.open({}, weir.url);
        other.cutting = true;
        await other.open('/');
        await id(other.page, 'sign-in').waitFor();
        await stage.done(other);
        none('faults in the browser', await reader.wrong());
      } finally {
        await stage.done(reader);
        await weir.end();
      }
    });
  });
}
