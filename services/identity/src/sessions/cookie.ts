import type { IncomingMessage } from 'node:http';

import { SESSION_COOKIE } from '@sallyport/decision-client';

/**
 * The value of a cookie; null when it is absent, or there twice: two values mean that somebody is trying to place one.
 */
export const cookieOf = (request: IncomingMessage, name: string): string | null => {
  const values = (request.headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  return values.length === 1 ? (values[0] ?? null) : null;
};

/** The Set-Cookie value of a session: for this browser run, same site only. Secure also on http://localhost. */
export const sessionCookie = (token: string): string =>
  `${SESSION_COOKIE}=${token}; Path=/; Secure; HttpOnly; SameSite=Lax`;

/** Takes the session cookie away. */
export const clearedSessionCookie = (): string => `${sessionCookie('')}; Max-Age=0`;
