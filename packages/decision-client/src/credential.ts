import type { IncomingHttpHeaders } from 'node:http';

import { AppError } from '@sallyport/errors';

/** `__Host-`: the browser sends it only to the host that set it, over HTTPS, for every path. */
export const SESSION_COOKIE = '__Host-sallyport_session';

export type Credential =
  | { readonly $case: 'bearer'; readonly value: string }
  | { readonly $case: 'session'; readonly value: string };

/** The parts of a Koa context (or of an IncomingMessage and its response) that are read. */
export interface CredentialRequest {
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as received; tells a repeated header, which `headers` hides. */
  readonly rawHeaders?: readonly string[];
}

const MAX_CREDENTIAL_LENGTH = 4_096;

/** RFC 6750 §2.1: `Bearer` 1*SP b64token; the scheme is case-insensitive (RFC 9110 §11.1). */
const BEARER = /^bearer +([\w.~+/-]+=*)$/i;

/** RFC 6265 §4.1.1 cookie-octet. */
const COOKIE_VALUE = /^[\x21\x23-\x2B\x2D-\x3A\x3C-\x5B\x5D-\x7E]+$/;

const malformed = (detail: string): AppError => new AppError('UNAUTHENTICATED', detail);

const countOf = (name: string, rawHeaders: readonly string[] | undefined): number =>
  rawHeaders?.filter((header, index) => index % 2 === 0 && header.toLowerCase() === name).length ?? 1;

const bearerOf = (header: string): Credential => {
  const token = BEARER.exec(header)?.[1];
  if (token === undefined || token.length > MAX_CREDENTIAL_LENGTH) {
    throw malformed('The Authorization header is not "Bearer" followed by a token.');
  }
  return { $case: 'bearer', value: token };
};

const cookieValues = (header: string): string[] =>
  header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${SESSION_COOKIE}=`))
    .map((pair) => pair.slice(SESSION_COOKIE.length + 1));

/**
 * The one credential of a request; null when it carries none.
 *
 * 1. An Authorization header decides alone, also next to a cookie: who sends one does it on purpose.
 * 2. One that is repeated, of another scheme or malformed is refused. It never falls back to the cookie or to nobody:
 *    the caller believes to be somebody.
 * 3. Otherwise the session cookie; twice the same name is refused, because which one counts would be a guess.
 *
 * @throws UNAUTHENTICATED for 2 and 3
 */
export const credentialOf = ({ headers, rawHeaders }: CredentialRequest): Credential | null => {
  if (headers.authorization !== undefined) {
    if (countOf('authorization', rawHeaders) > 1) throw malformed('There is more than one Authorization header.');
    return bearerOf(headers.authorization);
  }
  const [value, ...others] = cookieValues(headers.cookie ?? '');
  if (value === undefined) return null;
  if (others.length > 0) throw malformed('There is more than one session cookie.');
  if (value.length > MAX_CREDENTIAL_LENGTH || !COOKIE_VALUE.test(value)) {
    throw malformed('The session cookie is malformed.');
  }
  return { $case: 'session', value };
};
