import { lookup as dnsLookup } from 'node:dns';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { callbackify } from 'node:util';

import { AppError } from '@sallyport/errors';

import { isPublicAddress } from './address.ts';

const KIB = 1024;

/** Limits and exceptions of outbound requests. */
export interface OutboundOptions {
  /** Development only: plain HTTP and private addresses are let through. */
  readonly allowPrivate: boolean;
  /** Bytes of a response body; default 512 KiB. */
  readonly maxBodyBytes?: number;
  /** ms for everything, from the look-up to the last byte; default 5,000. */
  readonly timeoutMs?: number;
  /** For tests: resolves names in place of the operating system. */
  readonly resolve?: (hostname: string) => Promise<readonly string[]>;
}

/** What callers may send: the part of `RequestInit` that is understood. */
export interface OutboundRequest {
  readonly method?: string;
  readonly headers?: Record<string, string> | Headers;
  readonly body?: string | URLSearchParams | Uint8Array | null;
  readonly signal?: AbortSignal | null;
}

export type GuardedFetch = (url: string | URL, init?: OutboundRequest) => Promise<Response>;

const refused = (detail: string, cause?: unknown): AppError => new AppError('UNAVAILABLE', detail, { cause });

/**
 * A fetch for URLs that come from configuration others may write: metadata, discovery, keys, logout notices.
 *
 * 1. https only; 2. an address literal must be public, in whatever notation it was written; 3. a name is resolved once,
 * every address of it must be public, and the connection goes to the address that was checked (no rebinding);
 * 4. redirects are not followed; 5. body and time are capped.
 * @throws UNAVAILABLE (promise) for everything that is refused or fails
 */
export const createGuardedFetch = (options: OutboundOptions): GuardedFetch => {
  const { allowPrivate, maxBodyBytes = 512 * KIB, timeoutMs = 5_000 } = options;
  const resolve = options.resolve ?? resolveAll;
  return async (input, init = {}) => {
    const url = checkedUrl(input, allowPrivate);
    const deadline = AbortSignal.timeout(timeoutMs);
    const signal =
      init.signal === undefined || init.signal === null ? deadline : AbortSignal.any([deadline, init.signal]);
    try {
      const incoming = await exchange(url, init, { signal, lookup: guardedLookup(resolve, allowPrivate) });
      return await toResponse(incoming, maxBodyBytes);
    } catch (error) {
      throw error instanceof AppError ? error : refused('The address did not answer.', error);
    }
  };
};

function checkedUrl(input: string | URL, allowPrivate: boolean): URL {
  const url = URL.parse(input);
  if (url === null) throw refused('That is not a URL.');
  if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:')) throw refused('Only https is fetched.');
  if (url.username !== '' || url.password !== '') throw refused('A URL must not carry credentials.');
  const literal = url.hostname.replaceAll(/^\[|\]$/g, '');
  if (isIP(literal) !== 0 && !allowPrivate && !isPublicAddress(literal)) throw refused('The address is not public.');
  return url;
}

async function resolveAll(hostname: string): Promise<string[]> {
  const { promise, resolve, reject } = Promise.withResolvers<string[]>();
  dnsLookup(hostname, { all: true, order: 'verbatim' }, (error, addresses) => {
    if (error === null) resolve(addresses.map(({ address }) => address));
    else reject(error);
  });
  return await promise;
}

type Resolve = (hostname: string) => Promise<readonly string[]>;

/** What the socket asks before it connects; it connects to what this answers. */
const guardedLookup = (resolve: Resolve, allowPrivate: boolean): LookupFunction => {
  const vetted = async (hostname: string): Promise<string[]> => {
    const addresses = await resolve(hostname);
    if (addresses.length === 0) throw refused('The name has no address.');
    if (!allowPrivate && !addresses.every(isPublicAddress)) throw refused('The name leads to a private address.');
    return [...addresses];
  };
  return (hostname, lookupOptions, callback) => {
    callbackify(vetted)(hostname, (error: NodeJS.ErrnoException | null, addresses) => {
      if (error !== null) {
        callback(error, '', 0);
        return;
      }
      const all = addresses.map((address) => ({ address, family: isIP(address) }));
      if (lookupOptions.all === true) callback(null, all);
      else callback(null, all[0]?.address ?? '', all[0]?.family ?? 0);
    });
  };
};

interface ExchangeOptions {
  readonly signal: AbortSignal;
  readonly lookup: LookupFunction;
}

async function exchange(url: URL, init: OutboundRequest, options: ExchangeOptions): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const body = bodyOf(init.body ?? null);
  const headers = Object.fromEntries(new Headers(init.headers ?? {}));
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const request: ClientRequest = send(url, {
    method: init.method ?? 'GET',
    headers: { ...headers, ...(body === null ? {} : { 'content-length': String(body.byteLength) }) },
    signal: options.signal,
    lookup: options.lookup,
    agent: false, // A kept-alive socket would be one whose address was checked some other time.
  });
  request.on('response', resolve).on('error', reject);
  // Whoever answers with another protocol (101) ends the request without an answer, an error or our deadline.
  request.on('close', () => {
    reject(refused('The address gave no answer.'));
  });
  request.end(body ?? undefined);
  return await promise;
}

function bodyOf(body: NonNullable<OutboundRequest['body']> | null): Buffer | null {
  if (body === null) return null;
  return Buffer.from(typeof body === 'string' || body instanceof URLSearchParams ? body.toString() : body);
}

const NULL_BODY_STATUS: ReadonlySet<number> = new Set([204, 205, 304]);

async function toResponse(incoming: IncomingMessage, maxBytes: number): Promise<Response> {
  const chunks: Uint8Array[] = [];
  let received = 0;
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
    received += chunk.byteLength;
    if (received > maxBytes) {
      incoming.destroy();
      throw refused('The answer is too large.');
    }
    chunks.push(chunk);
  }
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const one of [value ?? []].flat()) headers.append(name, one);
  }
  const status = incoming.statusCode ?? 502;
  return new Response(NULL_BODY_STATUS.has(status) ? null : Buffer.concat(chunks), { status, headers });
}
