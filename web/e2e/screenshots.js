/**
 * The pictures that README and docs show, from a real run: `make screenshots`. Each is taken at the moment of the
 * founding incident that it is about, so all of them take as long as the incident does.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { launch, Reader } from './browser.js';
import { demo, ROOT } from './stage.js';
import { decide, id, loaded, says } from './steps.js';
import { painted, until } from './wait.js';

const FOLDER = join(ROOT, 'docs/img');
const BYTES_MAX = 250_000;
const VIEW = { width: 1280, height: 800 };

const browser = await launch();
const weir = await demo();
let failed = false;
try {
  await weir.ready();
  const reader = await Reader.at(browser, weir.url, { viewport: VIEW, reducedMotion: 'reduce' });
  const { page } = reader;
  const picture = async (name, top) => {
    await loaded(page);
    if (top) await top.evaluate((element) => element.scrollIntoView({ block: 'start' }));
    await painted(page);
    const path = join(FOLDER, `${name}.png`);
    await page.screenshot({ path });
    const { size } = statSync(path);
    console.log(`${path}  ${Math.round(size / 1000)} kB`);
    if (size > BYTES_MAX) {
      console.error(`${name}.png has ${size} bytes; at most ${BYTES_MAX} are allowed: show less`);
      failed = true;
    }
  };

  await reader.open('/');
  await says(page, 'open-incidents', /INC-1/, 60_000);
  await until('a hundred wait', async () => (await weir.get('/api/v1/pools'))[0].clients.waiting > 100, 30_000);
  // The last minute is to show a calm and a storm.
  await until('the storm is in the lines', async () => Date.now() - Date.parse((await weir.get('/api/v1/incidents/INC-1')).clocks.impact_started_at) > 8_000, 30_000);
  await picture('overview');
  await page.emulateMedia({ colorScheme: 'dark' });
  await picture('overview-dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await reader.open('/waits');
  await picture('waits');
  await reader.open('/incidents/INC-1');
  await picture('incident');
  await reader.open('/pools/shop/dashboard');
  await says(page, 'recommendation', /recommends/, 60_000);
  await picture('pool');
  await id(page, 'recommendation').getByRole('button', { name: /^Approve/ }).click();
  await decide(page, 'Ann on call');
  await until('the incident is over', async () => (await weir.get('/api/v1/incidents/INC-1')).status === 'resolved', 120_000);
  const { clocks } = await weir.get('/api/v1/incidents/INC-1');
  const at = new Date(Math.floor(Date.parse(clocks.impact_started_at) / 1000) * 1000 + 4_000).toISOString();
  await reader.open(`/blackbox?at=${at}&range=5m`);
  await picture('blackbox');
  for (const wrong of await reader.wrong()) {
    console.error(wrong);
    failed = true;
  }
} catch (fault) {
  console.error(fault);
  failed = true;
} finally {
  await browser.close();
  await weir.end();
}
process.exit(failed ? 1 : 0);
