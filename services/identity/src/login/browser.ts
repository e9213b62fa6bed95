import { createHmac, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

import { secretHash } from '@sallyport/storage';

import { cookieOf } from '../sessions/index.ts';

/** Ties a login under way to the browser that started it. SameSite=None: the SAML response is posted by another site. */
export const LOGIN_COOKIE = '__Host-sallyport_login';
const MAX_AGE_S = 600;
const SECRET = /^[A-Za-z0-9_-]{43}$/;

/** The browser that starts or finishes a login. */
export interface Browser {
  readonly secret: string;
  /** What a pending login stores of it. */
  readonly hash: Buffer;
}

const browserOf = (secret: string): Browser => ({ secret, hash: secretHash(secret) });

/** The browser behind a request; null when it has not started a login lately. */
export const findBrowser = (request: IncomingMessage): Browser | null => {
  const secret = cookieOf(request, LOGIN_COOKIE);
  return secret !== null && SECRET.test(secret) ? browserOf(secret) : null;
};

/** The browser of a login that starts now: one it is known by, so that parallel tabs do not cut each other off. */
export const browserForLogin = (request: IncomingMessage): Browser =>
  findBrowser(request) ?? browserOf(randomBytes(32).toString('base64url'));

/** The Set-Cookie value that keeps a browser's secret for as long as a login may take. */
export const loginCookie = ({ secret }: Browser): string =>
  `${LOGIN_COOKIE}=${secret}; Path=/; Max-Age=${MAX_AGE_S}; Secure; HttpOnly; SameSite=None`;

/**
 * A secret of one login (state, nonce, PKCE verifier), derived from the browser's: none has to be stored with us.
 * 256 bits, base64url.
 */
export const derivedSecret = (browser: Browser, purpose: string, loginId: string): string =>
  createHmac('sha256', browser.secret).update(`${purpose}:${loginId}`).digest('base64url');
