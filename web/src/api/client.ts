/**
 * How is Weir asked? One place for addresses, faults and the rules of a change.
 *
 * Addresses carry the type of their answer, taken from `openapi.json`, so a page can't read what
 * the API doesn't send.
 */
import type { paths } from './schema';

type Json<R> = R extends { content: { 'application/json': infer T } } ? T : never;
type Ok<O> = O extends { responses: { 200: infer R } } ? Json<R> : never;
type Gettable = { [P in keyof paths]: paths[P] extends { get: infer O } ? (Ok<O> extends never ? never : P) : never }[keyof paths];

declare const answer: unique symbol;
/** Where something is to be had, and what it is. */
export type Address<T> = string & { readonly [answer]?: T };

export type Values = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** `address('/api/v1/incidents/{id}', { id }, { own: true })` */
export function address<P extends Gettable>(
  path: P,
  parts: Values = {},
  query: Values = {},
): Address<Ok<paths[P] extends { get: infer O } ? O : never>> {
  const filled = (path as string).replace(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(String(parts[key] ?? '')));
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') search.set(key, String(value));
  }
  const text = search.toString();
  return text ? `${filled}?${text}` : filled;
}

/** Why something wasn't answered as asked: in the API's own words where it said any. */
export class Fault extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string,
  ) {
    super(message);
    this.name = 'Fault';
  }
}

const TIMEOUT_MS = 15_000;

async function faultOf(response: Response): Promise<Fault> {
  try {
    const body = (await response.json()) as { error?: { code?: string; message?: string; hint?: string } };
    if (body.error?.message) {
      return new Fault(response.status, body.error.code ?? '', body.error.message, body.error.hint ?? '');
    }
  } catch {
    // Not JSON: a proxy answered, or nobody.
  }
  return new Fault(response.status, 'http', `Weir answered ${response.status} ${response.statusText}`.trim(), 'look at the log of Weir, and at what stands between it and you');
}

async function ask(url: string, init: RequestInit, signal?: AbortSignal): Promise<Response> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await fetch(url, {
      ...init,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      credentials: 'same-origin',
    });
    if (!response.ok) throw await faultOf(response);
    return response;
  } catch (error) {
    if (error instanceof Fault || signal?.aborted) throw error;
    const late = error instanceof DOMException && error.name === 'TimeoutError';
    throw new Fault(
      0,
      late ? 'late' : 'unreachable',
      late ? `Weir didn't answer within ${TIMEOUT_MS / 1000} s` : "Weir can't be reached",
      'is it running, and does the network lead there? What is shown is older than that',
    );
  }
}

export async function get<T>(from: Address<T>, signal?: AbortSignal): Promise<T> {
  const response = await ask(from, { headers: { accept: 'application/json' } }, signal);
  return (await response.json()) as T;
}

/** A change. Always JSON, so that no form of a foreign page can look like it. */
export async function post<T>(path: string, body: unknown, method: 'POST' | 'DELETE' = 'POST'): Promise<T> {
  const response = await ask(path, {
    method,
    headers: { accept: 'application/json', 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

export function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  return new Fault(0, 'page', error instanceof Error ? error.message : String(error), 'this is a fault of the page; load it anew');
}
