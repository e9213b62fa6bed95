import type { AuditLog } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { contentSecurityPolicy, type Mount } from '@sallyport/http';
import { constantTimeEqual, secretHash } from '@sallyport/storage';
import type { Logger } from '@sallyport/telemetry';
import type Koa from 'koa';
import { Provider } from 'oidc-provider';

import { providerConfiguration, type ProviderOptions } from './configuration.ts';
import { presentedSecret, withProviderRequest, type ProviderSession } from './request-session.ts';

export const MOUNT = '/oidc';
const KIB = 1024;
const MAX_FORM_BYTES = 64 * KIB;

export interface OpenIdProviderOptions extends Omit<ProviderOptions, 'signingAlgorithm'> {
  readonly logger: Logger;
  readonly audit: AuditLog;
  /** The live browser session of a request, or null. */
  readonly sessionOf: (ctx: Koa.Context) => Promise<ProviderSession | null>;
  /** Called when somebody signed out through an application: ends the browser session too. */
  readonly onSignedOut: (ctx: Koa.Context, session: ProviderSession) => Promise<void>;
}

/** The OpenID Provider: its middleware for the HTTP app, and what the sign-in pages need of it. */
export interface OpenIdProvider {
  readonly issuer: string;
  readonly mount: Mount;
  readonly provider: Provider;
}

/** Builds the provider. @throws INTERNAL when no key can sign */
export const createOpenIdProvider = (options: OpenIdProviderOptions): OpenIdProvider => {
  const issuer = `${options.publicOrigin}${MOUNT}`;
  const signingAlgorithm = signingAlgorithmOf(options.jwks);
  const provider = new Provider(issuer, providerConfiguration({ ...options, signingAlgorithm }));
  pinTransport(provider, options.publicOrigin);
  compareSecretsByHash(provider);
  provider.on('server_error', (_ctx, error) => {
    options.logger.error({ err: error }, 'the OpenID Provider failed');
  });
  return { issuer, provider, mount: { prefix: MOUNT, middleware: middleware(provider, options), surface: 'oauth' } };
};

const signingAlgorithmOf = ({ keys }: ProviderOptions['jwks']): 'ES256' | 'RS256' => {
  const [first] = keys.map((key) => ('kty' in key && key.kty === 'EC' ? ('ES256' as const) : ('RS256' as const)));
  if (first === undefined) throw new AppError('INTERNAL', 'The OpenID Provider has no signing key.');
  return first;
};

/** Host and protocol are configuration, and its cookies are Secure also where the last hop is plain HTTP. */
const pinTransport = (provider: Provider, publicOrigin: string): void => {
  const { host, hostname, protocol } = new URL(publicOrigin);
  const pinned = { host, hostname, protocol: protocol.slice(0, -1), secure: true };
  for (const [name, value] of Object.entries(pinned)) {
    Object.defineProperty(provider.request, name, { get: () => value, configurable: true });
  }
};

/** Client metadata holds the hash of the secret, or of several: see client.ts. Every one of them is compared. */
const compareSecretsByHash = (provider: Provider): void => {
  Object.defineProperty(provider.Client.prototype, 'compareClientSecret', {
    value: function compareClientSecret(this: { clientSecret?: string }, actual: string): boolean {
      const hash = secretHash(actual);
      const live = (this.clientSecret ?? '').split(',');
      const isOne = live.filter((each) => constantTimeEqual(hash.toString('hex'), each)).length === 1;
      if (isOne) presentedSecret(hash);
      return isOne;
    },
  });
};

// HTML of the provider: one automatic form (its hash is added by the library); forms go on to registered addresses.
const PAGE_POLICY = contentSecurityPolicy()
  .split('; ')
  .filter((directive) => !directive.startsWith('form-action'))
  .join('; ');

const middleware = (provider: Provider, options: OpenIdProviderOptions): Koa.Middleware => {
  const keys = [...options.cookieKeys];
  return async (ctx, next) => {
    // An absolute-form target would put its own host into every URL of the answer (RFC 9112 §3.2.2).
    if (!ctx.originalUrl.startsWith('/')) throw new AppError('INVALID_REQUEST', 'The request target must be a path.');
    if (ctx.method === 'POST' && ctx.path === '/auth') return await redirectToGet(ctx);
    // The library signs its cookies with the keys of the application it is mounted in.
    ctx.app.keys = keys;
    ctx.cookies.secure = true;
    Object.defineProperty(ctx, 'secure', { value: true, configurable: true });
    ctx.set('content-security-policy', PAGE_POLICY);
    const session = await options.sessionOf(ctx);
    const origin = {
      requestId: ctx.response.get('x-request-id'),
      ip: ctx.ip,
      ...(ctx.get('user-agent') === '' ? {} : { userAgent: ctx.get('user-agent') }),
    };
    await withProviderRequest({ session, origin }, async () => {
      await runAll(provider.middleware, ctx, next);
    });
    if (session !== null && isSignedOut(ctx)) await options.onSignedOut(ctx, session);
  };
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
  ctx.status = 303;
  ctx.set('location', `${MOUNT}/auth?${parameters.toString()}`);
  ctx.body = null;
  ctx.status = 303;
};
