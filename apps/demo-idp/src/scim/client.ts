import { request } from 'undici';
import type { Clock } from '../clock.ts';
import { isRecord } from '../edge/fields.ts';
import type { ExchangeLog } from '../exchange-log.ts';
import type { JsonObject, ScimRequest } from './dialect.ts';

/** The last answer to a request; status null = none came. */
export interface ScimAnswer {
  readonly status: number | null;
  readonly body: JsonObject | null;
  /** What went wrong on the way, when no answer came. */
  readonly error: string | null;
}

/** What sending needs. */
export interface ScimTransport {
  readonly clock: Clock;
  readonly log: ExchangeLog;
  readonly sleep: (ms: number) => Promise<void>;
}

/** Where and how a request is sent. */
export interface ScimConnection {
  readonly baseUrl: string;
  readonly token: string;
  readonly headers: Readonly<Record<string, string>>;
}

const MAX_ATTEMPTS = 4;
const FIRST_WAIT_MS = 200;
const MAX_WAIT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 30_000;
const RETRIED = new Set([429, 500, 502, 503, 504]);

/**
 * Sends one request, up to four times while the target is throttling, failing or not there, and logs each
 * attempt with its milliseconds. `Retry-After` is honoured up to ten seconds; else the wait doubles from 200 ms.
 */
export async function sendScim(
  transport: ScimTransport,
  connection: ScimConnection,
  scim: ScimRequest,
): Promise<ScimAnswer> {
  for (let attempt = 1; ; attempt += 1) {
    const { answer, retryAfter } = await exchange(transport, connection, scim, attempt);
    const done = answer.status !== null && !RETRIED.has(answer.status);
    if (done || attempt >= MAX_ATTEMPTS) return answer;
    await transport.sleep(waitMs(retryAfter, attempt, transport.clock.now()));
  }
}

async function exchange(
  transport: ScimTransport,
  connection: ScimConnection,
  scim: ScimRequest,
  attempt: number,
): Promise<{ answer: ScimAnswer; retryAfter: string | null }> {
  const startedAt = transport.clock.monotonicMs();
  const sent = { method: scim.method, path: scim.path, requestBody: redacted(scim.body ?? null), attempt };
  const headers = { ...connection.headers, Authorization: `Bearer ${connection.token}` };
  const base = { kind: 'scim', requestHeaders: { ...connection.headers, Authorization: 'Bearer [redacted]' } } as const;
  try {
    const response = await request(`${connection.baseUrl}${scim.path}`, {
      method: scim.method,
      headers,
      body: scim.body === undefined ? null : JSON.stringify(scim.body),
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
    });
    const responseBody = await response.body.text();
    const ms = transport.clock.monotonicMs() - startedAt;
    const summary = `${scim.method} ${scim.path.split('?', 1)[0] ?? ''} answered ${String(response.statusCode)}`;
    transport.log.add({ ...base, ...sent, summary, status: response.statusCode, responseBody, ms });
    const retryAfter = response.headers['retry-after'];
    return {
      answer: { status: response.statusCode, body: parseObject(responseBody), error: null },
      retryAfter: typeof retryAfter === 'string' ? retryAfter : null,
    };
  } catch (cause) {
    const ms = transport.clock.monotonicMs() - startedAt;
    const error = cause instanceof Error ? cause.message : 'unknown failure';
    transport.log.add({ ...base, ...sent, summary: `${scim.method} ${scim.path} got no answer`, ms, error });
    return { answer: { status: null, body: null, error }, retryAfter: null };
  }
}

/** @see RFC 9110 §10.2.3 (seconds or a date) */
function waitMs(retryAfter: string | null, attempt: number, now: Date): number {
  const backoff = FIRST_WAIT_MS * 2 ** (attempt - 1);
  if (retryAfter === null) return backoff;
  const seconds = /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - now.getTime();
  return Number.isNaN(seconds) ? backoff : Math.min(Math.max(seconds, 0), MAX_WAIT_MS);
}

function parseObject(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function redacted(body: JsonObject | null): JsonObject | null {
  return body !== null && 'password' in body ? { ...body, password: '[redacted]' } : body;
}
