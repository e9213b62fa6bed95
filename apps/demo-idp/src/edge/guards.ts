import type { Context, Middleware, Next } from 'koa';
import { DemoIdpError } from '../errors.ts';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Lets a change through only when it comes from our own page or from a script that is no browser.
 * 1. Host names this program: a name that was re-bound to 127.0.0.1 reaches nothing.
 * 2. A browser that says the request is cross-site or only same-site (`Sec-Fetch-Site`) is refused.
 * 3. `Origin`, which browsers attach to every unsafe request, is our own origin.
 * The sign-in endpoints are not behind this: other sites post to them by design.
 */
export function sameOriginOnly(origin: string, port: number): Middleware {
  return async (ctx: Context, next: Next) => {
    const ownHosts = [
      new URL(origin).host,
      ...['localhost', '127.0.0.1', '[::1]'].map((name) => `${name}:${String(port)}`),
    ];
    if (!ownHosts.includes(ctx.host)) throw new DemoIdpError('ORIGIN_MISMATCH', 'This host name is not mine.');
    if (!SAFE_METHODS.has(ctx.method)) {
      const site = ctx.get('sec-fetch-site');
      if (site !== '' && site !== 'same-origin' && site !== 'none') {
        throw new DemoIdpError('ORIGIN_MISMATCH', 'Another site may not change anything here.');
      }
      const from = ctx.get('origin');
      if (from !== '' && from !== origin && from !== `http://${ctx.host}`) {
        throw new DemoIdpError('ORIGIN_MISMATCH', 'Another site may not change anything here.');
      }
    }
    await next();
  };
}

/** Headers that keep the pages to their own scripts and styles. */
export const securityHeaders: Middleware = async (ctx: Context, next: Next) => {
  ctx.set({
    'Content-Security-Policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'same-origin',
    'Cache-Control': 'no-store',
  });
  await next();
};
