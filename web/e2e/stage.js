/**
 * The real thing behind the pages: a `weir demo` with its private PostgreSQL, its traffic and its
 * founding incident, which waits in act three for a person's approval and stays up afterwards.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { until } from './wait.js';

export const ROOT = new URL('../../', import.meta.url).pathname;
/** Pictures and words of what failed, and the demo's own output. */
export const OUT = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'browser');
const WEIR = process.env.WEIR ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug/weir');
/** Of what a process has said, its newest lines are kept for a failure. */
const LINES_MAX = 200;
const READY_MS = 60_000;
const END_MS = 30_000;

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A process of Weir's: what it says, where it answers, and how it ends. */
export class Weir {
  lines = [];
  #child;
  #ended;

  constructor(args, port, folder) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#child = spawn(WEIR, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#ended = new Promise((resolve) => {
      this.#child.on('error', (fault) => resolve(`couldn't start ${WEIR}: ${fault.message} (build it: cargo build -p weir)`));
      this.#child.on('exit', (code, signal) => resolve(`ended with ${signal ?? code}`));
    });
    this.#ended.then((how) => (this.how = how));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        this.lines.push(...text.split('\n').filter((line) => line !== ''));
        this.lines.splice(0, Math.max(0, this.lines.length - LINES_MAX));
      });
    }
  }

  get pid() {
    return this.#child.pid;
  }

  said() {
    return this.lines.join('\n');
  }

  /** What the API answers, past the browser. */
  async get(path) {
    const response = await fetch(this.url + path, { signal: AbortSignal.timeout(10_000) });
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async ready() {
    await until(`Weir answers at ${this.url}`, async () => {
      if (this.how) return this.how;
      return (await fetch(`${this.url}/livez`)).ok;
    }, READY_MS);
    if (this.how) throw new Error(`weir ${this.how}\n${this.said()}`);
    return this;
  }

  /** Asks it to end, and waits until it has, with all that it started. */
  async end() {
    if (!this.how) this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_MS);
    const how = await this.#ended;
    clearTimeout(timer);
    return how;
  }
}

export async function demo(more = []) {
  mkdirSync(OUT, { recursive: true });
  const folder = mkdtempSync(join(OUT, 'demo-'));
  const port = await freePort();
  const args = ['demo', '--approve', '--linger', '600', '--api-port', String(port), '--plain', '--no-open', '--out', join(folder, 'out'), ...more];
  return new Weir(args, port, folder);
}
