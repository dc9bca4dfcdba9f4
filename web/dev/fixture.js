// A Weir that isn't there: the API's shapes with made-up numbers, for work on the pages and for the
// trial with 200 pools and 5,000 clients. Never part of the build.
//
//   node dev/fixture.js [--port 6433] [--pools 3] [--clients 200] [--cut 20] [--token secret]
//
// Serves dist/ as the binary does, with its Content-Security-Policy. `--cut`: the stream is cut
// after so many events, to see it resumed. The incident is one that `weir demo` recorded.
import { createServer } from 'node:http';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { extname, join, normalize } from 'node:path';
import { parseArgs } from 'node:util';

const { values: flag } = parseArgs({
  options: {
    port: { type: 'string', default: '6433' },
    pools: { type: 'string', default: '3' },
    clients: { type: 'string', default: '200' },
    cut: { type: 'string', default: '0' },
    token: { type: 'string', default: '' },
  },
});
const recorded = JSON.parse(readFileSync(new URL('./recorded.json', import.meta.url), 'utf8'));
const dist = new URL('../dist/', import.meta.url).pathname;
const began = Date.now();
const POOLS = Number(flag.pools);
const CLIENTS = Number(flag.clients);
const iso = (ms) => new Date(ms).toISOString();

// The recorded incident, moved so that it began three minutes before this program.
const shift = began - 180_000 - Date.parse(recorded.incident.clocks.impact_started_at);
const moved = (value) => {
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value)) return iso(Date.parse(value) + shift);
  if (Array.isArray(value)) return value.map(moved);
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, moved(v)]));
  return value;
};
const incident = moved(recorded.incident);
const decisions = moved(recorded.decisions);
incident.status = 'open';

const wave = (n, at, period = 60) => 0.5 + 0.5 * Math.sin((at / 1000 / period) * 2 * Math.PI + n);
const names = Array.from({ length: POOLS }, (_, n) => (n === 0 ? ['shop', 'dashboard'] : [`app_${String(n).padStart(3, '0')}`, n % 3 ? 'web' : 'batch']));
const levels = (n) => (n === 0 ? 'exhausted' : n % 37 === 5 ? 'saturated' : n % 53 === 7 ? 'leak' : null);

function brief(n, at, spark = true) {
  const busy = Math.round(10 * wave(n, at));
  const waiting = n === 0 ? Math.round(140 * wave(n, at)) : 0;
  return {
    database: names[n][0], user: names[n][1], size: n === 0 ? 10 : 20, size_min: 2, size_max: 40, level: levels(n), paused: false,
    waiting, active: busy, transactions_per_s: 90 * wave(n, at) + n, wait_p99_s: n === 0 ? 0.9 * wave(n, at) : 0.0004 * wave(n, at), oldest_wait_s: n === 0 ? 0.8 * wave(n, at) : 0, incident: n === 0 ? 'INC-1' : null,
    ...(spark ? { spark: { from: iso(at - 60_000), step_s: 1, wait_p99_s: Array.from({ length: 60 }, (_, i) => +(wave(n, at - (60 - i) * 1000) * 0.9).toFixed(4)), waiting: [], busy: [] } } : {}),
  };
}

function full(n, at) {
  const row = brief(n, at, false);
  return {
    schema: 'weir.pool/1', database: row.database, user: row.user, mode: 'transaction', size: row.size, size_min: 2, size_max: 40,
    size_because: 'keep 10: less than 30.0 s since it last changed or was dry', clients: { active: row.active, waiting: row.waiting, idle: 40, idle_in_transaction: 1 },
    servers: { active: row.active, idle: row.size - row.active, login: 0, tested: 0, used: 0 }, oldest_wait_s: row.oldest_wait_s,
    wait_s: { p50: row.wait_p99_s / 3, p90: row.wait_p99_s / 1.5, p99: row.wait_p99_s, max: row.wait_p99_s * 1.2 }, abandoned_total: 12,
    hold_s: { p50: 0.049, p99: 0.08, executing_share: 0.9, thinking_share: 0.07, network_share: 0.03 }, transactions_per_s: row.transactions_per_s,
    level: row.level, arrivals_per_s: row.transactions_per_s + 3, transactions_total: 1000, failures_total: 2, pinned: { listen: 2 }, pins: { listen: 2 }, at: iso(at), resolution_s: 0.1, failures_per_s: 0, abandoned_per_s: 0.2, paused: false,
    objective: '99% of waits < 10ms', incident: n === 0 ? 'INC-1' : null,
    why_not_more: 'up to 40 allowed by size.max (budget 74 = max_connections 80 − 3 reserved − 0 of others − 3 spare)',
    recommendation: n === 0 ? { says: 'grow 10 → 20', expected: '54 % of 20 servers busy; the queue gone in about 817 ms', order: { order: 'resize', pool: 'shop/dashboard', size: 20 }, undo: { order: 'resize', pool: 'shop/dashboard', size: 10 } } : null,
  };
}

const summary = () => ({
  id: incident.id, status: incident.status, severity: incident.severity, level: incident.level, title: incident.title, pools: incident.pools, merged_into: null,
  impact_started_at: incident.clocks.impact_started_at, detected_at: incident.clocks.detected_at, mitigated_at: null, resolved_at: null,
  cause: incident.causes[0].cause, says: incident.causes[0].says,
});

const SQL = 'SELECT o.id, o.total FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.region = $1 AND o.created_at > $2 ORDER BY o.created_at DESC LIMIT $3';

const answers = {
  '/api/v1/status': () => ({ ...recorded.status, at: iso(Date.now()), uptime_s: (Date.now() - began) / 1000, clients: CLIENTS, started_at: iso(began), sensors: [{ server: 'main', ok: true, says: 'looks once a second', looked_at: iso(Date.now()), age_s: 0.4, took_s: 0.003, looks_total: 100, late_total: 0, failed_total: 0, sees_all: true }], listeners: { now: listeners.size, max: 64 }, events_kept: ring.length, process: { cpu_s: 1.2, resident_bytes: 31e6, virtual_bytes: 9e8, open_fds: 30, max_fds: 1024 } }),
  '/api/v1/session': () => ({ schema: 'weir.session/1', can_act: true, can_read: true, needs_token: flag.token !== '', signed_in: session, expires_at: null, says: '' }),
  '/api/v1/overview': (q) => {
    const at = q.get('at') ? Date.parse(q.get('at')) : Date.now();
    return {
      schema: 'weir.overview/1', at: iso(at), live: !q.get('at'), window_s: 10, resolution_s: 0.1,
      path: [
        { hop: 'client', share: 0.04, mean_s: 0.003, says: 'the client thinks inside transactions' },
        { hop: 'queue', share: 0.83, mean_s: 0.61, says: 'waiting for a free server' },
        { hop: 'network', share: 0.01, mean_s: 0.0004, says: 'between Weir and PostgreSQL' },
        { hop: 'server', share: 0.12, mean_s: 0.05, says: 'PostgreSQL executes' },
      ],
      arrivals_per_s: 208, transactions_per_s: 199.4, failures_per_s: 0, abandoned_per_s: 1.2, wait_s: { p50: 0.5, p90: 0.8, p99: 0.91, max: 1.02 }, hold_s: { p50: 0.049, p99: 0.082 },
      clients: { active: 10, waiting: 140, idle: CLIENTS, idle_in_transaction: 1 }, servers: { active: 10, idle: 0, login: 0, tested: 0, used: 0 },
      open_incidents: ['closed', 'resolved', 'reviewed'].includes(incident.status) ? [] : [summary()], decisions: decisions.slice(0, 5), pools: names.map((_, n) => brief(n, at)),
      says: 'Most of the time of a transaction is spent waiting for a server, in pool shop/dashboard.',
    };
  },
  '/api/v1/pools': (q) => {
    const at = q.get('at') ? Date.parse(q.get('at')) : Date.now();
    const wanted = q.get('pool');
    return names.map((_, n) => n).filter((n) => !wanted || names[n].join('/') === wanted).map((n) => full(n, at));
  },
  '/api/v1/clients': (q) => {
    const limit = Number(q.get('limit') ?? 200);
    const rows = Array.from({ length: Math.min(limit, CLIENTS) }, (_, n) => ({
      client: n + 1, database: 'shop', user: 'dashboard', since: iso(began), connected_at: iso(began), addr: `10.0.0.1:${n}`, fingerprint: null, prepared_statements: 0, state: ['waiting', 'active', 'idle', 'idle_in_transaction'][n % 4], state_s: wave(n, Date.now()) * 3,
      application: n % 7 ? 'user-dashboard' : 'batch-export', host: `10.0.${n % 7}.${n % 250}`, server: n % 4 === 1 ? n : null, backend_pid: n % 4 === 1 ? 9000 + n : null, pins: n % 90 === 3 ? ['listen'] : [], statement: SQL,
    }));
    return { schema: 'weir.clients/1', at: iso(Date.now()), total: CLIENTS, shown: rows.length, clients: rows };
  },
  '/api/v1/servers': () => {
    const rows = Array.from({ length: 10 }, (_, n) => ({ server: n + 1, database: 'shop', user: 'dashboard', since: iso(began), connected_at: iso(began), backend_pid: 9000 + n, state: n % 4 ? 'active' : 'idle', state_s: n / 20, client: n % 4 ? n : null, client_state: n % 4 ? 'active' : null, client_state_s: null, host: null, transaction_s: n / 10, fingerprint: null, pins: [], application: 'user-dashboard', statement: SQL }));
    return { schema: 'weir.servers/1', at: iso(Date.now()), total: 10, shown: 10, servers: rows };
  },
  '/api/v1/samples': (q) => {
    const to = q.get('to') ? Date.parse(q.get('to')) : Date.now();
    const from = q.get('from') ? Date.parse(q.get('from')) : to - 60_000;
    const step = Number(q.get('step') ?? 1);
    const samples = [];
    const base = recorded.samples[20];
    for (let at = from; at <= Math.min(to, Date.now()) && samples.length < 2000; at += step * 1000) {
      const hot = wave(0, at, 97);
      samples.push({
        ...base, at: iso(at), size: at > began ? 20 : 10, oldest_wait_s: hot * 0.8, wait_s: { p50: hot * 0.3, p90: hot * 0.6, p99: hot * 0.9, max: hot },
        clients: { ...base.clients, waiting: Math.round(hot * 140) }, servers: { ...base.servers, active: Math.round(4 + hot * 6) },
        executing_s: 0.9, thinking_s: 0.05 + hot * 0.2, network_s: 0.02, arrivals: Math.round((9 + 12 * hot)), completions: Math.round(9 + 10 * hot), interval_s: 0.1,
      });
    }
    return { schema: 'weir.samples/1', from: iso(from), to: iso(to), step_s: step, complete: true, samples, spans: [{ from: iso(from), to: iso(to), resolution_s: 0.1 }] };
  },
  '/api/v1/decisions': () => decisions,
  '/api/v1/incidents': () => [incident],
  '/api/v1/incidents/INC-1': () => incident,
  '/api/v1/incidents/INC-1/escalation': () => ({ schema: 'weir.escalation/1', incident: 'INC-1', policy: 'oncall', acknowledged: null, says: 'step 1 of 2: oncall was called', calls: [{ step: 1, to: 'oncall', channel: 'pager', at: incident.clocks.detected_at, taken: true, answered_at: null }], next: { step: 2, to: 'dba', at: iso(Date.now() + 120_000), in_s: 120 } }),
  '/api/v1/waits': () => ({
    schema: 'weir.waits/1', at: iso(Date.now()), live: true, looked_at: iso(Date.now()), complete: true, says: 'Backend 9001 blocks 3 others.',
    roots: [{ backend_pid: 9001, state: 'idle_in_transaction', for_s: 41.2, server: 1, client: 1, application: 'batch-export', host: '10.0.0.7', statement: 'UPDATE orders SET state = $1 WHERE id = $2', blocks: [
      { backend_pid: 9002, state: 'active', for_s: 40.1, server: 2, client: 2, application: 'user-dashboard', host: '10.0.1.1', statement: 'UPDATE orders SET total = $1 WHERE id = $2', blocks: [{ backend_pid: 9003, state: 'active', for_s: 12, server: null, client: null, statement: 'SELECT 1 FOR UPDATE', blocks: [] }] },
      { backend_pid: 9004, state: 'active', for_s: 3, server: 4, client: 4, application: 'user-dashboard', host: '10.0.1.9', statement: SQL, blocks: [] },
    ] }],
    pools: [{ database: 'shop', user: 'dashboard', size: 10, waiting: 140, oldest_wait_s: 0.83, holders_total: 10, waiters: Array.from({ length: 20 }, (_, n) => ({ client: 100 + n, application: 'user-dashboard', host: `10.0.0.${n}`, state_s: 0.8 - n / 50, pins: [] })), holders: Array.from({ length: 10 }, (_, n) => ({ server: n + 1, backend_pid: 9000 + n, client: n + 1, application: 'user-dashboard', host: '10.0.0.9', client_state: n ? 'active' : 'idle_in_transaction', transaction_s: null, pins: [], blocked_by: n === 1 ? [9001] : [], held_s: 41 / (n + 1), statement: SQL })) }],
  }),
  '/api/v1/queries': (q) => ({
    schema: 'weir.queries/1', from: q.get('from'), to: q.get('to'), total: 3, shown: 3, slot_seconds: 2900, baseline_from: iso(began - 3600000), baseline_to: iso(began),
    queries: [0.62, 0.27, 0.11].map((share, n) => ({
      fingerprint: `f${n}`, database: 'shop', user: 'dashboard', text: n ? `SELECT ${n} FROM stock WHERE sku = $1` : SQL, share, calls: 4000 * (n + 1), calls_per_s: 13 * (n + 1), errors: n, mean_s: 0.04 / (n + 1), max_s: 0.4, rows: 9000,
      executing_s: share * 100, baseline_calls: 100, baseline_mean_s: 0.021, change: n ? 1.0 : 1.9, says: n ? '' : 'takes 1.9 times as long as it did',
    })),
  }),
  '/api/v1/configuration': () => ({
    schema: 'weir.configuration/1', at: iso(Date.now()),
    started_at: iso(began), file: 'weir.toml',
    settings: [['', 'listen', '127.0.0.1:6432', 'file'], ['pool.shop', 'size.max', '40', 'file'], ['pool.shop', 'query_wait_timeout', '120s', 'default'], ['regulator', 'mode', 'act', 'order']].map(([section, name, value, origin]) => ({ section, name, value, origin, default: '1', place: origin === 'file' ? 'weir.toml:14' : null, secret: false, pgbouncer: null, changed_at: origin === 'order' ? iso(began) : null, says: 'What it does, in a sentence that is long enough to wrap on a phone.' })),
    changes: [{ at: iso(began), by: 'ann', kind: 'regulator', undo: 'regulator recommend', says: 'regulator: recommend → act' }],
  }),
  '/api/v1/blackbox/range': () => ({
    schema: 'weir.blackbox_range/1', earliest: iso(began - 900_000), latest: iso(Date.now()), spans: [{ from: iso(began - 900_000), to: iso(Date.now()), resolution_s: 0.1 }],
    markers: [
      { at: incident.clocks.impact_started_at, kind: 'incident', to: null, by: null, incident: 'INC-1', pool: 'shop/dashboard', link: null, says: incident.title },
      { at: iso(began - 200_000), kind: 'deploy', to: null, by: 'ci', incident: null, pool: null, link: 'https://example.org/d/1', says: 'shop 2.4.1 deployed' },
      ...decisions.filter((d) => d.acted).map((d) => ({ at: d.at, kind: 'decision', to: null, by: null, incident: null, pool: 'shop/dashboard', link: null, says: d.says })),
      { at: iso(began), kind: 'configuration', to: null, by: 'ann', incident: null, pool: null, link: null, says: 'regulator: recommend → act' },
    ],
  }),
};

// The stream: numbers that can be resumed, as the true one has them.
const run = began.toString(16);
let number = 0;
const ring = [];
const listeners = new Set();
function push(event, data) {
  number += 1;
  const item = { number, text: `event: ${event}\nid: ${run}-${number}\ndata: ${JSON.stringify(data)}\n\n` };
  ring.push(item);
  if (ring.length > 1000) ring.shift();
  for (const listener of listeners) listener();
}
setInterval(() => push('sample', { schema: 'weir.sample/1', at: iso(Date.now()), kind: 'brief', whole: true, pools: names.map((_, n) => brief(n, Date.now(), false)), overview: (({ path, arrivals_per_s, transactions_per_s, failures_per_s, abandoned_per_s, wait_s, hold_s, clients, servers, says }) => ({ path, arrivals_per_s, transactions_per_s, failures_per_s, abandoned_per_s, wait_s, hold_s, clients, servers, says }))(answers['/api/v1/overview'](new URLSearchParams())) }), 1000);

function events(request, response) {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.flushHeaders();
  const [theirs, seen] = (request.headers['last-event-id'] ?? `${run}-${number}`).split('-');
  if (theirs !== run) response.write(`event: skipped\ndata: ${JSON.stringify({ schema: 'weir.skipped/1', count: null, says: 'another run' })}\n\n`);
  let at = theirs === run ? Number(seen) : 0;
  console.log(`a listener from ${request.headers['last-event-id'] ?? 'now'}`);
  let left = Number(flag.cut) || Infinity;
  const send = () => {
    for (const item of ring) {
      if (item.number <= at) continue;
      at = item.number;
      response.write(item.text);
      left -= 1;
      if (left <= 0) {
        listeners.delete(send);
        response.destroy();
        return;
      }
    }
  };
  listeners.add(send);
  request.on('close', () => listeners.delete(send));
  send();
}

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const CSP = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
let session = false;

createServer((request, response) => {
  const url = new URL(request.url, 'http://x');
  const json = (body, status = 200) => {
    response.writeHead(status, { 'content-type': 'application/json', 'content-security-policy': CSP });
    response.end(JSON.stringify(body));
  };
  if (flag.token && !session && url.pathname.startsWith('/api/') && !(request.method === 'POST' && url.pathname === '/api/v1/session')) {
    return json({ error: { code: 'unauthorized', message: 'a bearer token is needed', hint: 'sign in' } }, 401);
  }
  if (request.method === 'POST') {
    let text = '';
    request.on('data', (part) => (text += part));
    request.on('end', () => {
      const body = JSON.parse(text || '{}');
      if (url.pathname === '/api/v1/session') {
        session = body.token === flag.token;
        return session ? json({ can_act: true }) : json({ error: { code: 'unauthorized', message: 'the token is wrong', hint: 'it is `api_token` in weir.toml' } }, 401);
      }
      if (body.dry_run) return json({ schema: 'weir.done/1', says: `would ${body.order} (foretold)`, expected: 'waits below 10 ms', undo: { order: 'resize', pool: body.pool, size: 10 }, undo_says: 'resize back to 10' });
      if (url.pathname.endsWith('/ack')) {
        Object.assign(incident, { status: 'acknowledged', acknowledged_by: body.by });
        incident.clocks.acknowledged_at = iso(Date.now());
      }
      if (url.pathname.endsWith('/notes')) incident.timeline.push({ at: iso(Date.now()), kind: 'note', by: 'person', who: body.by, says: body.text, evidence: [] });
      push('incident', { at: iso(Date.now()), entry: { kind: url.pathname.split('/').pop() }, incident: summary() });
      return json({ schema: 'weir.done/1', says: `done: ${body.order ?? url.pathname.split('/').pop()}`, incident: null, ...(body.order === 'resize' ? { undo: { order: 'resize', pool: body.pool, size: 10 } } : {}) });
    });
    return;
  }
  if (url.pathname === '/api/v1/events') return events(request, response);
  if (url.pathname.endsWith('/report')) {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'" });
    return response.end('<!doctype html><h1>The report</h1><p>The true one comes from Weir.</p>');
  }
  const answer = answers[url.pathname];
  if (answer) return json(answer(url.searchParams));
  if (url.pathname.startsWith('/api/')) return json({ error: { code: 'not_found', message: `there is nothing at ${url.pathname}`, hint: 'GET /openapi.json lists what can be asked' } }, 404);
  let path = normalize(join(dist, url.pathname));
  if (!path.startsWith(dist) || !existsSync(path) || statSync(path).isDirectory()) path = join(dist, 'index.html');
  if (!existsSync(path)) return json({ error: { code: 'not_built', message: 'dist is not there', hint: 'npm run build' } }, 404);
  response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', 'content-security-policy': CSP });
  response.end(readFileSync(path));
}).listen(Number(flag.port), '127.0.0.1', () => console.log(`http://127.0.0.1:${flag.port}`));
