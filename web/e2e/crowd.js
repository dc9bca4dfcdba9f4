/**
 * Five thousand clients of two hundred pools: real connections that speak PostgreSQL's protocol, all of them
 * logged in, mostly idle, one statement after the other at a steady pace.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort, OUT, Weir } from './stage.js';
import { until } from './wait.js';

const USER = 'weir';
/** So many logins are under way at once: a flood would measure the accept queue. */
const LOGINS_AT_ONCE = 50;
const LOGIN_MS = 60_000;

function pgBin() {
  if (process.env.WEIR_TEST_PG_BIN) return process.env.WEIR_TEST_PG_BIN;
  const root = '/usr/lib/postgresql';
  const versions = readdirSync(root).sort((a, b) => Number(a) - Number(b));
  return join(root, versions.at(-1), 'bin');
}

/** PostgreSQL refuses to run as root: then it is whoever the system has for it, or nobody. */
function owner() {
  if (process.getuid() !== 0) return {};
  const id = (flag) => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout) || 65_534;
  return { uid: id('-u'), gid: id('-g') };
}

export class Postgres {
  static async start(connections) {
    const it = new Postgres();
    const folder = mkdtempSync('/tmp/weir-crowd-');
    const as = owner();
    if (as.uid !== undefined) chownSync(folder, as.uid, as.gid);
    const data = join(folder, 'data');
    const made = spawnSync(join(pgBin(), 'initdb'), ['-D', data, '-U', USER, '-A', 'trust', '-N', '--no-locale', '-E', 'UTF8'], { ...as, cwd: folder, encoding: 'utf8' });
    if (made.status !== 0) throw new Error(`initdb: ${made.error?.message ?? made.stderr}`);
    it.port = await freePort();
    it.child = spawn(join(pgBin(), 'postgres'), ['-D', data, '-p', String(it.port), '-k', folder, '-c', 'listen_addresses=127.0.0.1', '-c', `max_connections=${connections}`, '-c', 'fsync=off'], { ...as, cwd: folder, stdio: 'ignore' });
    it.ended = new Promise((resolve) => it.child.on('exit', resolve));
    it.folder = folder;
    await until('PostgreSQL takes connections', () => spawnSync(join(pgBin(), 'pg_isready'), ['-h', '127.0.0.1', '-p', String(it.port)]).status === 0, 30_000);
    return it;
  }

  async stop() {
    this.child.kill('SIGINT');
    await this.ended;
    spawnSync('rm', ['-rf', this.folder]);
  }
}

export const poolName = (n) => `app_${String(n).padStart(3, '0')}`;

/** A Weir before it, with that many pools of that many servers. */
export async function pooled(postgres, pools, size) {
  mkdirSync(OUT, { recursive: true });
  const folder = mkdtempSync(join(OUT, 'load-'));
  const [port, listen] = [await freePort(), await freePort()];
  const section = (n) => `[pool.${poolName(n)}]\nserver = "main"\ndatabase = "postgres"\nmode = "transaction"\nsize = ${size}\n`;
  writeFileSync(
    join(folder, 'weir.toml'),
    `listen = ["127.0.0.1:${listen}"]\napi = "127.0.0.1:${port}"\nstore = "weir.db"\n[auth]\nmethod = "trust"\n[server.main]\nhosts = ["127.0.0.1:${postgres.port}"]\nwatch = { user = "${USER}" }\n${Array.from({ length: pools }, (_, n) => section(n)).join('')}`,
  );
  const weir = await new Weir(['run', 'weir.toml'], port, folder).ready();
  weir.listen = listen;
  return weir;
}

const int32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const startup = (database, application) => {
  const body = Buffer.concat([int32(196_608), Buffer.from(`user\0${USER}\0database\0${database}\0application_name\0${application}\0\0`)]);
  return Buffer.concat([int32(body.length + 4), body]);
};
const query = (text) => {
  const body = Buffer.from(`${text}\0`);
  return Buffer.concat([Buffer.from('Q'), int32(body.length + 4), body]);
};

/** One client. `ready` is true while it may ask. */
class Client {
  ready = false;
  #rest = Buffer.alloc(0);

  constructor(port, database, application) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setNoDelay(true);
    this.loggedIn = new Promise((resolve, reject) => {
      this.socket.on('error', reject);
      this.socket.on('close', () => reject(new Error(`client of ${database}: the connection was closed`)));
      this.socket.on('data', (part) => {
        this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, part]) : part;
        while (this.#rest.length >= 5) {
          const length = this.#rest.readInt32BE(1) + 1;
          if (this.#rest.length < length) break;
          const type = this.#rest[0];
          if (type === 0x45) reject(new Error(`client of ${database}: ${this.#rest.subarray(5, length).toString().replaceAll('\0', ' ')}`));
          if (type === 0x5a) {
            this.ready = true;
            resolve();
          }
          this.#rest = this.#rest.subarray(length);
        }
      });
    });
    // Heard where it is waited for; afterwards the crowd counts who is left.
    this.loggedIn.catch(() => {});
    this.socket.write(startup(database, application));
  }

  ask(bytes) {
    this.ready = false;
    this.socket.write(bytes);
  }
}

export class Crowd {
  clients = [];
  asked = 0;

  /** `sizes[n]` clients of pool n. */
  static async gather(port, sizes) {
    const crowd = new Crowd();
    const wanted = sizes.flatMap((count, n) => Array.from({ length: count }, (_, m) => [poolName(n), `service-${m % 7}`]));
    for (let n = 0; n < wanted.length; n += LOGINS_AT_ONCE) {
      const some = wanted.slice(n, n + LOGINS_AT_ONCE).map(([database, application]) => new Client(port, database, application));
      const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`${LOGINS_AT_ONCE} logins took longer than ${LOGIN_MS / 1000} s`)), LOGIN_MS).unref());
      await Promise.race([Promise.all(some.map((client) => client.loggedIn)), late]);
      crowd.clients.push(...some);
    }
    return crowd;
  }

  /** From now on so many statements a second, each by the client that asked longest ago. */
  begin(per_s) {
    const statement = query('select 1');
    const began = performance.now();
    let at = 0;
    this.timer = setInterval(() => {
      const due = Math.floor(((performance.now() - began) / 1000) * per_s);
      for (; this.asked < due; this.asked += 1) {
        // Seven is coprime to the number of clients per pool: neighbours in time are of several pools.
        at = (at + 7) % this.clients.length;
        if (this.clients[at].ready) this.clients[at].ask(statement);
      }
    }, 5);
  }

  end() {
    clearInterval(this.timer);
    for (const { socket } of this.clients) socket.destroy();
  }
}
