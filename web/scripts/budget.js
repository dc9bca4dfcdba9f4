// How large is what a browser fetches, compressed? Fails above the budget.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const dist = new URL('../dist/', import.meta.url).pathname;
/** All files together, gzip. */
const TOTAL_MAX = 150_000;
/** What the first page needs before it says anything: index, frame and overview. */
const FIRST_MAX = 60_000;

function files(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

let all;
try {
  all = files(dist).filter((path) => !/\.(br|gz)$/.test(path));
} catch {
  console.error('web/dist is not there: run `npm run build`');
  process.exit(2);
}
const rows = all
  .map((path) => {
    const bytes = readFileSync(path);
    return { name: relative(dist, path), raw: bytes.length, gz: gzipSync(bytes, { level: 9 }).length, br: brotliCompressSync(bytes).length };
  })
  .sort((a, b) => b.gz - a.gz);
const sum = (key, of = rows) => of.reduce((total, row) => total + row[key], 0);

/** What `names` bring along, by what they import at once. */
function closure(names) {
  const seen = new Set();
  const queue = [...names];
  while (queue.length > 0) {
    const name = queue.pop();
    if (seen.has(name)) continue;
    seen.add(name);
    if (!name.endsWith('.js')) continue;
    const text = readFileSync(join(dist, name), 'utf8');
    for (const [, , file] of text.matchAll(/(from|import)\s*"\.\/([^"]+\.js)"/g)) queue.push(`assets/${file}`);
  }
  return seen;
}
const html = readFileSync(join(dist, 'index.html'), 'utf8');
const named = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((match) => match[1]);
const page = rows.map((row) => row.name).filter((name) => /^assets\/(Overview|Body|PoolTable|DecisionList|Rows|Mark|Bar)-/.test(name));
const before = closure(['index.html', ...named, ...page]);
const first = rows.filter((row) => before.has(row.name));

const line = (name, row) => console.log(`${name.padEnd(48)} ${String(row.raw).padStart(8)} ${String(row.gz).padStart(8)} ${String(row.br).padStart(8)}`);
console.log(`${'file'.padEnd(48)} ${'bytes'.padStart(8)} ${'gzip'.padStart(8)} ${'brotli'.padStart(8)}`);
for (const row of rows) line(row.name, row);
line('all', { raw: sum('raw'), gz: sum('gz'), br: sum('br') });
line('before the first page', { raw: sum('raw', first), gz: sum('gz', first), br: sum('br', first) });

const faults = [];
if (sum('gz') > TOTAL_MAX) faults.push(`all files have ${sum('gz')} bytes compressed; the budget is ${TOTAL_MAX}`);
if (sum('gz', first) > FIRST_MAX) faults.push(`the first page needs ${sum('gz', first)} bytes compressed; the budget is ${FIRST_MAX}`);
for (const fault of faults) console.error(fault);
process.exit(faults.length > 0 ? 1 : 0);
