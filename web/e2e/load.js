/**
 * Does the dashboard bear 200 pools and 5,000 clients? Two questions, asked of a real Weir before a real
 * PostgreSQL (`make web-load`, some five minutes, release build):
 *
 * - Does a page stutter? Tasks of 50 ms and more on its main thread, in 20 s of live updates.
 * - What does a listener cost Weir? Processor time of its process with one minus without, in turns.
 *
 *   node web/e2e/load.js [--rounds 3] [--seconds 20] [--out FOLDER]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { launch, Reader } from './browser.js';
import { Crowd, pooled, poolName, Postgres } from './crowd.js';
import { ROOT } from './stage.js';
import { id, loaded, says } from './steps.js';
import { until } from './wait.js';
import { Listener } from './wire.js';

const { values: flag } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '20' },
    out: { type: 'string', default: join(ROOT, `bench/results/${new Date().toISOString().slice(0, 10)}-dashboard`) },
  },
});
const SECONDS = Number(flag.seconds);
const ROUNDS = Number(flag.rounds);
const POOLS = 200;
/** One pool with most of the clients, for its table; the others share the rest. */
const SIZES = Array.from({ length: POOLS }, (_, n) => (n === 0 ? 3_010 : 10));
const STATEMENTS_PER_S = 500;
const SERVERS_PER_POOL = 2;
const LONG_MS = 50;
const CPU_MAX = 0.02;
const TICKS_PER_S = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** Seconds of processor time that the process has used. */
function used_s(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

async function share(weir) {
  const [before, began] = [used_s(weir.pid), performance.now()];
  await pause(SECONDS * 1000);
  return (used_s(weir.pid) - before) / ((performance.now() - began) / 1000);
}

/** The page's long tasks while `share` is measured, and how much of its main thread is in use. */
async function watched(page, weir) {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  const busy = async () => (await session.send('Performance.getMetrics')).metrics.find((one) => one.name === 'TaskDuration').value;
  await page.evaluate(() => {
    globalThis.weirLong = [];
    new PerformanceObserver((list) => globalThis.weirLong.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: 'longtask' });
  });
  const before = await busy();
  const cpu = await share(weir);
  const main_thread = ((await busy()) - before) / SECONDS;
  return { cpu, main_thread, long_ms: await page.evaluate(() => globalThis.weirLong) };
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const percent = (value) => `${(value * 100).toFixed(2)} %`;

const postgres = await Postgres.start(POOLS * SERVERS_PER_POOL + 50);
const weir = await pooled(postgres, POOLS, SERVERS_PER_POOL);
let crowd;
const browser = await launch();
try {
  crowd = await Crowd.gather(weir.listen, SIZES);
  crowd.begin(STATEMENTS_PER_S);
  await until('Weir sees all clients', async () => (await weir.get('/api/v1/status')).clients >= crowd.clients.length, 30_000);
  await until('all pools are open', async () => (await weir.get('/api/v1/pools')).length >= POOLS, 60_000);
  console.log(`${crowd.clients.length} clients of ${POOLS} pools, ${STATEMENTS_PER_S} statements a second`);

  const rows = { nobody: [], listener: [], overview: [], pool: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    rows.nobody.push({ cpu: await share(weir) });

    const listener = await Listener.at(weir.url);
    rows.listener.push({ cpu: await share(weir) });
    await listener.stop();

    let reader = await Reader.at(browser, weir.url);
    await reader.open('/');
    await says(reader.page, 'live-state', /^Live ·/);
    await until('the pools are listed', async () => (await reader.page.getByTestId('pools').getByRole('row').count()) > 20);
    rows.overview.push(await watched(reader.page, weir));
    await reader.close();

    reader = await Reader.at(browser, weir.url);
    await reader.open(`/pools/${poolName(0)}/weir?clients=5000`);
    await loaded(reader.page);
    await says(reader.page, id(reader.page, 'clients'), /3,010 of 3,010 are shown/);
    rows.pool.push(await watched(reader.page, weir));
    await reader.close();
    for (const [name, all] of Object.entries(rows)) console.log(`round ${round + 1} ${name.padEnd(9)} cpu ${percent(all.at(-1).cpu)}${all.at(-1).long_ms ? `, long tasks ${JSON.stringify(all.at(-1).long_ms)}, main thread ${percent(all.at(-1).main_thread)}` : ''}`);
  }

  const cost = (name) => rows[name].map((row, n) => row.cpu - rows.nobody[n].cpu);
  const long = [...rows.overview, ...rows.pool].flatMap((row) => row.long_ms);
  const verdict = {
    listener_cpu: median(cost('listener')),
    long_tasks: long.filter((ms) => ms >= LONG_MS).length,
  };
  const commit = execFileSync('git', ['-C', ROOT, 'rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const machine = `${os.cpus()[0].model}, ${os.cpus().length} cores, ${Math.round(os.totalmem() / 2 ** 20)} MiB, ${os.type()} ${os.release()}; load average at the end: ${os.loadavg()[0].toFixed(1)}`;
  mkdirSync(flag.out, { recursive: true });
  writeFileSync(join(flag.out, 'result.json'), `${JSON.stringify({ schema: 'weir.dashboard_load/1', commit, machine, browser: browser.version(), pools: POOLS, clients: crowd.clients.length, statements_per_s: STATEMENTS_PER_S, seconds: SECONDS, rows, verdict }, null, 1)}\n`);
  const line = (name, what) => {
    const all = cost(name);
    const shown = rows[name][0].long_ms ? `${rows[name].flatMap((row) => row.long_ms).length} | ${percent(median(rows[name].map((row) => row.main_thread)))}` : '– | –';
    return `| ${what} | ${percent(median(all))} (${percent(Math.min(...all))} to ${percent(Math.max(...all))}) | ${shown} |`;
  };
  writeFileSync(
    join(flag.out, 'README.md'),
    `# The dashboard with ${POOLS} pools and ${crowd.clients.length.toLocaleString('en')} clients

${machine}. Chromium ${browser.version()}; Weir at commit ${commit}, release build.
${ROUNDS} rounds in turns, ${SECONDS} s each; median (lowest to highest). ${STATEMENTS_PER_S} statements a second all the while,
for which Weir alone uses ${percent(median(rows.nobody.map((row) => row.cpu)))} of a core. Made by \`make web-load\`; raw numbers in result.json.

| who looks | Weir's processor time for it, of one core | tasks ≥ ${LONG_MS} ms in the page | the page's main thread in use |
|---|---|---|---|
${line('listener', 'one listener of the event stream')}
${line('overview', 'a browser on the overview')}
${line('pool', 'a browser on the page of a pool with 3,010 clients, all in its table')}

Budgets: at most ${percent(CPU_MAX)} of a core for one listener, and no task of ${LONG_MS} ms or more.
`,
  );
  console.log(readFileSync(join(flag.out, 'README.md'), 'utf8'));
  const faults = [];
  if (verdict.listener_cpu > CPU_MAX) faults.push(`one listener costs ${percent(verdict.listener_cpu)} of a core; the budget is ${percent(CPU_MAX)}`);
  if (verdict.long_tasks > 0) faults.push(`${verdict.long_tasks} tasks took ${LONG_MS} ms or more: ${long.map(Math.round).join(', ')} ms`);
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length > 0 ? 99 : 0;
} finally {
  await browser.close();
  crowd?.end();
  await weir.end();
  await postgres.stop();
}
