/**
 * The wire between browser and Weir, which can be cut: a proxy that passes bytes on, and on demand
 * drops every connection and takes no new one.
 */
import { connect, createServer } from 'node:net';

export class Wire {
  #ends = new Set();
  #cut = false;

  static async to(port) {
    const wire = new Wire();
    wire.server = createServer((near) => {
      if (wire.#cut) {
        near.destroy();
        return;
      }
      const far = connect(port, '127.0.0.1');
      for (const [one, other] of [[near, far], [far, near]]) {
        wire.#ends.add(one);
        one.pipe(other);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          wire.#ends.delete(one);
          other.destroy();
        });
      }
    });
    await new Promise((resolve) => wire.server.listen(0, '127.0.0.1', resolve));
    wire.url = `http://127.0.0.1:${wire.server.address().port}`;
    return wire;
  }

  cut() {
    this.#cut = true;
    for (const end of this.#ends) end.destroy();
  }

  mend() {
    this.#cut = false;
  }

  async close() {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** Another listener, past the wire: which events were there to be heard? */
export class Listener {
  heard = [];
  #stop = new AbortController();

  static async at(url) {
    const listener = new Listener();
    const response = await fetch(`${url}/api/v1/events?pools=brief`, { headers: { accept: 'text/event-stream' }, signal: listener.#stop.signal });
    listener.done = listener.#read(response.body.pipeThrough(new TextDecoderStream()));
    return listener;
  }

  async #read(text) {
    let rest = '';
    try {
      for await (const part of text) {
        rest += part;
        const lines = rest.split('\n');
        rest = lines.pop();
        for (const line of lines) if (line.startsWith('id:')) this.heard.push(line.slice(3).trim());
      }
    } catch (fault) {
      if (!this.#stop.signal.aborted) throw fault;
    }
  }

  async stop() {
    this.#stop.abort();
    await this.done;
  }
}
