import assert from 'node:assert/strict';
import { request } from 'node:http';
import { pipeline } from 'node:stream/promises';

/** An answer with everything a client sees. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Parsed, whatever the type; undefined when it is not JSON. */
  readonly json: unknown;
}

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent byte for byte. */
  readonly body?: string | undefined;
}

// A frame of a stack, a path of ours, or the words of a library that failed.
const INSIDES = /\n\s+at |node_modules|\.ts:\d+|QueryFailedError|TypeError|ECONNREFUSED|duplicate key/;

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

/** One request by hand, no cookies, no redirects. Insists on what holds for every answer: never a 5xx, no insides. */
export const send = async (method: string, url: string, sent: Sent = {}): Promise<Reply> => {
  const response = await fetch(url, {
    method,
    headers: sent.headers ?? {},
    ...(sent.body === undefined ? {} : { body: sent.body }),
    redirect: 'manual',
    signal: AbortSignal.timeout(20_000),
  });
  const text = await response.text();
  const said = `${method} ${url.slice(0, 200)}: ${String(response.status)} ${text.slice(0, 500)} (${(sent.body ?? '').slice(0, 200)})`;
  assert.ok(response.status < 500, said);
  assert.doesNotMatch(text, INSIDES, said);
  return { status: response.status, headers: response.headers, text, json: parse(text) };
};

/** Announces a body of so many bytes and sends only the beginning. Answers the status. */
export const announce = async (
  method: string,
  url: string,
  { headers, bytes }: { readonly headers: Readonly<Record<string, string>>; readonly bytes: number },
): Promise<number> =>
  await new Promise<number>((resolve, reject) => {
    const outgoing = request(url, { method, headers: { ...headers, 'content-length': String(bytes) }, agent: false });
    outgoing.once('response', (response) => {
      resolve(response.statusCode ?? 0);
      outgoing.destroy();
    });
    outgoing.once('error', reject);
    outgoing.write('{"');
  });

/** Sends a body of no announced length for as long as anybody takes it. Answers how many bytes that was. */
export const pour = async (url: string, headers: Readonly<Record<string, string>>): Promise<number> => {
  const piece = Buffer.alloc(64 * 1024, 'a');
  const outgoing = request(url, { method: 'POST', headers, agent: false });
  let sent = 0;
  let status = 0;
  // Whoever refuses may close before the rest has arrived: that, too, is an answer.
  outgoing.on('error', () => undefined);
  outgoing.once('response', (response) => {
    status = response.statusCode ?? 0;
    outgoing.destroy();
  });
  const source = function* (): Generator<Buffer> {
    for (; sent < 64 * 1024 * 1024; sent += piece.length) yield piece;
  };
  await pipeline(source, outgoing).catch(() => undefined);
  assert.ok(status === 0 || status === 413, `${url}: ${String(status)}`);
  return sent;
};

/** The fields of a JSON object; `{}` for everything else. */
export const fieldsOf = (json: unknown): Readonly<Record<string, unknown>> =>
  typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as Record<string, unknown>) : {};
