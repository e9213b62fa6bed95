import { AppError } from '@sallyport/errors';
import { checkText, contentSecurityPolicy } from '@sallyport/http';
import type Koa from 'koa';
import type { Provider } from 'oidc-provider';

import { issuedWriter, type AdapterDependencies } from './adapter.ts';
import { MOUNT } from './mount.ts';
import type { OpenIdProviderOptions } from './provider.ts';
import { settleTokenRequest, TokenRequest } from './token-request.ts';
import { withProviderRequest, type ProviderRequest, type SignedOutApplication } from './request-session.ts';

const KIB = 1024;
const MAX_FORM_BYTES = 64 * KIB;
/** Characters. Longer addresses are taken by hardly anybody (RFC 9110 §4.1), and not by us: 16 KiB of headers at most. */
const MAX_LOCATION = 12 * KIB;

// HTML of the provider: one automatic form (its hash is added by the library); forms go on to registered addresses.
const PAGE_POLICY = contentSecurityPolicy()
  .split('; ')
  .filter((directive) => !directive.startsWith('form-action'))
  .join('; ');

type MiddlewareOptions = OpenIdProviderOptions & Pick<AdapterDependencies, 'signingAlgorithm' | 'flights'>;

/** Serves a request of the provider: with our cookies and policy, and the browser session known to the adapter. */
export const providerMiddleware = (provider: Provider, options: MiddlewareOptions): Koa.Middleware => {
  const keys = [...options.cookieKeys];
  const writeIssued = issuedWriter(options);
  return async (ctx, next) => {
    checkTarget(ctx);
    if (ctx.method === 'POST' && ctx.path === '/auth') return await redirectToGet(ctx);
    // The library signs its cookies with the keys of the application it is mounted in.
    ctx.app.keys = keys;
    const isTokenEndpoint = ctx.path === '/token';
    // No browser calls it: there are no cookies to make.
    if (!isTokenEndpoint) ctx.cookies.secure = true;
    Object.defineProperty(ctx, 'secure', { value: true, configurable: true });
    ctx.set('content-security-policy', PAGE_POLICY);
    const session = await options.sessionOf(ctx);
    const origin = {
      requestId: ctx.response.get('x-request-id'),
      ip: ctx.ip,
      ...(ctx.get('user-agent') === '' ? {} : { userAgent: ctx.get('user-agent') }),
    };
    const applications: SignedOutApplication[] = [];
    const request: ProviderRequest = {
      session,
      origin,
      signedOutOf: applications,
      ...(isTokenEndpoint ? { token: new TokenRequest() } : {}),
    };
    await withProviderRequest(request, async () => {
      try {
        await runAll(provider.middleware, ctx, next);
      } finally {
        await request.useUp?.now(); // Shown is used, whatever came of it.
        await settleTokenRequest(ctx, writeIssued);
      }
    });
    const isEverything = isSignedOut(ctx);
    if (session !== null && (isEverything || applications.length > 0))
      await options.onSignedOut({ session, isEverything, applications, origin });
  };
};

/** @throws INVALID_REQUEST for an address that nothing can be answered to */
const checkTarget = (ctx: Koa.ParameterizedContext): void => {
  // An absolute-form target would put its own host into every URL of the answer (RFC 9112 §3.2.2).
  if (!ctx.originalUrl.startsWith('/')) throw new AppError('INVALID_REQUEST', 'The request target must be a path.');
  for (const [name, value] of Object.entries(ctx.query))
    for (const text of [value ?? ''].flat()) checkText(text, `?${name}`);
};

const runAll = async (
  stack: readonly Koa.Middleware[],
  ctx: Koa.ParameterizedContext,
  next: Koa.Next,
): Promise<void> => {
  const [first, ...rest] = stack;
  if (first === undefined) await next();
  else await first(ctx, async () => await runAll(rest, ctx, next));
};

/** True once the logout form was confirmed with "sign out" (the library has then dropped its own session). */
const isSignedOut = (ctx: Koa.ParameterizedContext): boolean => {
  const { oidc } = ctx as {
    oidc?: { route?: string; params?: { logout?: string }; session?: { destroyed?: boolean } };
  };
  return oidc?.route === 'end_session_confirm' && oidc.session?.destroyed === true;
};

/**
 * OpenID Connect Core §3.1.2.1 wants POST at the authorization endpoint; cookies with SameSite=Lax do not come with it.
 * The same request as a GET does carry them.
 */
const redirectToGet = async (ctx: Koa.ParameterizedContext): Promise<void> => {
  if (ctx.is('application/x-www-form-urlencoded') === false)
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'A form is expected.');
  const chunks: Uint8Array[] = [];
  let received = 0;
  for await (const chunk of ctx.req as AsyncIterable<Uint8Array>) {
    received += chunk.byteLength;
    if (received > MAX_FORM_BYTES) throw new AppError('PAYLOAD_TOO_LARGE', 'The request is too large.');
    chunks.push(chunk);
  }
  const parameters = new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
  const location = `${MOUNT}/auth?${parameters.toString()}`;
  if (location.length > MAX_LOCATION)
    throw new AppError('PAYLOAD_TOO_LARGE', 'The request is too large for an address: push it (RFC 9126).');
  ctx.status = 303;
  ctx.set('location', location);
  ctx.body = null;
  ctx.status = 303;
};
