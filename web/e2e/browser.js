/**
 * The browser, and an eye on everything that a page may not do: throw, complain in the console,
 * break the Content-Security-Policy, or fetch what is not Weir's.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { OUT } from './stage.js';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const DESK = { width: 1440, height: 900 };
const TEXT_MAX = 4_000;

export async function launch() {
  if (!existsSync(CHROMIUM)) throw new Error(`there is no browser at ${CHROMIUM}: run scripts/browser.sh, or set CHROMIUM`);
  return chromium.launch({
    executablePath: CHROMIUM,
    // In a container there is nobody but root, and Chromium's sandbox refuses it.
    chromiumSandbox: process.getuid() !== 0,
    // A throttled timer in a tab that isn't in front would look like a stream that stutters.
    args: ['--disable-dev-shm-usage', '--disable-background-timer-throttling', '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows'],
  });
}

/** One reader: his own storage, his own stream, and all that went wrong in his pages. */
export class Reader {
  faults = [];
  /** Every request's address, with its `Last-Event-ID` where it had one. */
  streams = [];
  /** While the wire is cut, the browser may say that nobody answers. */
  cutting = false;

  static async at(browser, url, options = {}) {
    const reader = new Reader();
    reader.url = url;
    reader.context = await browser.newContext({ viewport: DESK, colorScheme: 'light', locale: 'en-GB', timezoneId: 'UTC', ...options });
    await reader.context.addInitScript(() => {
      globalThis.weirBroke = [];
      document.addEventListener('securitypolicyviolation', (event) => globalThis.weirBroke.push(`${event.violatedDirective}: ${event.blockedURI} (${event.sourceFile}:${event.lineNumber})`));
      // What the tab that listens passes on is what the pages hear.
      globalThis.weirHeard = [];
      if ('BroadcastChannel' in globalThis && location.protocol.startsWith('http')) {
        new BroadcastChannel('weir.stream').addEventListener('message', ({ data }) => {
          if (data.kind === 'event') globalThis.weirHeard.push({ id: data.event.id, event: data.event.event });
        });
      }
    });
    reader.context.setDefaultTimeout(15_000);
    reader.context.on('page', (page) => reader.#watch(page));
    reader.page = await reader.context.newPage();
    return reader;
  }

  #watch(page) {
    const note = (kind, says) => this.faults.push(`${kind} at ${page.url()}: ${says}`);
    page.on('pageerror', (error) => note('uncaught', error.stack ?? error.message));
    page.on('console', (message) => {
      if (message.type() !== 'error' && message.type() !== 'warning') return;
      if (this.cutting && /net::ERR_|Failed to load resource/.test(message.text())) return;
      note(`console ${message.type()}`, `${message.text()} (${message.location().url})`);
    });
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.protocol.startsWith('http') && url.origin !== this.url) note('a foreign address was asked', url.href);
      if (url.pathname === '/api/v1/events') this.streams.push({ page, after: request.headers()['last-event-id'] ?? '' });
    });
  }

  async open(path, page = this.page) {
    await page.goto(this.url + path, { waitUntil: 'domcontentloaded' });
    return page;
  }

  /** All that went wrong until now, each thing once. */
  async wrong() {
    const broke = [];
    for (const page of this.context.pages()) {
      for (const one of await page.evaluate(() => globalThis.weirBroke ?? []).catch(() => [])) broke.push(`Content-Security-Policy at ${page.url()}: ${one}`);
    }
    return [...new Set([...this.faults, ...broke])];
  }

  async close() {
    await this.context.close();
  }
}

/** Runs a step; when it fails, keeps what could be seen. */
export async function seen(name, readers, step) {
  try {
    return await step();
  } catch (fault) {
    const file = join(OUT, name.replace(/[^\w]+/g, '-').slice(0, 80));
    mkdirSync(OUT, { recursive: true });
    for (const [n, page] of readers().flatMap((reader) => reader.context.pages()).entries()) {
      const text = await page.evaluate(() => document.body?.innerText ?? '').catch((other) => `(${other.message})`);
      writeFileSync(`${file}-${n}.txt`, `${page.url()}\n\n${text}\n`);
      await page.screenshot({ path: `${file}-${n}.png`, timeout: 5_000 }).catch(() => {});
      console.error(`\n--- ${page.url()} when “${name}” failed (whole: ${file}-${n}.txt, picture: .png)\n${text.slice(0, TEXT_MAX)}\n---`);
    }
    for (const reader of readers()) for (const wrong of await reader.wrong()) console.error(`    ${wrong}`);
    throw fault;
  }
}
