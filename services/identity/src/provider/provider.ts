import { timingSafeEqual } from 'node:crypto';

import type { AuditContext, AuditLog } from '@sallyport/audit';
import type { Mount } from '@sallyport/http';
import type { Logger } from '@sallyport/telemetry';
import { importJWK, SignJWT } from 'jose';
import type Koa from 'koa';
import { Provider } from 'oidc-provider';

import { providerConfiguration, type ProviderOptions } from './configuration.ts';
import { LogoutPusher, type SignToken } from './logout-pusher.ts';
import { MOUNT } from './mount.ts';
import { providerMiddleware } from './provider-middleware.ts';
import {
  hashOfShown,
  presentedSecret,
  signedOutOf,
  UNKNOWN_TIME,
  type ProviderSession,
  type SignedOutApplication,
} from './request-session.ts';
import { keysAt, withoutSchedule, type SigningKey } from './signing-keys.ts';
import { TokenFlights } from './token-flights.ts';

const SECOND_MS = 1_000;
/** How often the key file is looked at: far less than the lead a new key has. */
const KEYS_POLL_MS = 30 * SECOND_MS;

/** Somebody signed out through an application. */
export interface SignedOut {
  readonly session: ProviderSession;
  /** The browser session is over too; else only what the one application had. */
  readonly isEverything: boolean;
  readonly applications: readonly SignedOutApplication[];
  readonly origin: Pick<AuditContext, 'requestId' | 'ip' | 'userAgent'>;
}

export interface OpenIdProviderOptions extends Omit<ProviderOptions, 'signingAlgorithm' | 'jwks' | 'flights'> {
  readonly logger: Logger;
  readonly audit: AuditLog;
  readonly keys: readonly SigningKey[];
  /** Reads the keys anew. */
  readonly readKeys: () => Promise<readonly SigningKey[]>;
  /** The live browser session of a request, or null. */
  readonly sessionOf: (ctx: Koa.Context) => Promise<ProviderSession | null>;
  /** Ends the browser session where it is over, and notes whom to tell. */
  readonly onSignedOut: (signedOut: SignedOut) => Promise<void>;
}

/** The OpenID Provider: its middleware for the HTTP app, and what the sign-in pages need of it. */
export interface OpenIdProvider {
  readonly issuer: string;
  readonly mount: Mount;
  /** The library's provider with the keys of this moment. */
  readonly provider: Provider;
  /** Looks at the keys again: what has been published or has begun to sign since is used from now on. */
  refreshKeys(): Promise<void>;
  /** Follows the keys and tells applications about logouts, until it is stopped. */
  start(): Promise<() => Promise<void>>;
}

interface Built {
  readonly provider: Provider;
  readonly middleware: Koa.Middleware;
  /** What it was built from. */
  readonly published: string;
  readonly signing: SigningKey;
}

type BuildOptions = OpenIdProviderOptions & Pick<ProviderOptions, 'flights'>;

/** Builds the provider. @throws INTERNAL when no key can sign */
export const createOpenIdProvider = (options: OpenIdProviderOptions): OpenIdProvider => {
  const issuer = `${options.publicOrigin}${MOUNT}`;
  const flights = new TokenFlights(options);
  const nowSeconds = (): number => Math.floor(options.clock.now().getTime() / 1000);
  let current = build(issuer, { ...options, flights }, keysAt(options.keys, nowSeconds()));
  const refreshKeys = async (): Promise<void> => {
    const keys = keysAt(await options.readKeys(), nowSeconds());
    if (current.published === fingerprintOf(keys)) return;
    current = build(issuer, { ...options, flights }, keys);
    options.logger.info({ kids: keys.map(({ kid }) => kid) }, 'the OpenID Provider has other keys');
  };
  return {
    issuer,
    get provider() {
      return current.provider;
    },
    mount: {
      prefix: MOUNT,
      surface: 'oauth',
      middleware: async (ctx, next) => {
        await current.middleware(ctx, next);
      },
    },
    refreshKeys,
    start: async () => {
      const signNow: SignToken = async (claims, header) =>
        await sign(current.signing, { iss: issuer, ...claims }, header);
      return await start(options, refreshKeys, signNow);
    },
  };
};

const start = async (
  options: OpenIdProviderOptions,
  refreshKeys: () => Promise<void>,
  signToken: SignToken,
): Promise<() => Promise<void>> => {
  const pusher = new LogoutPusher({ ...options, sign: signToken });
  await pusher.start();
  const timer = setInterval(() => {
    refreshKeys().catch((error: unknown) => {
      options.logger.warn({ err: error }, 'the keys of the OpenID Provider could not be read; the ones at hand go on');
    });
  }, KEYS_POLL_MS);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await pusher.close();
  };
};

const algorithmOf = ({ kty }: SigningKey): 'ES256' | 'RS256' => (kty === 'EC' ? 'ES256' : 'RS256');
const fingerprintOf = (keys: readonly SigningKey[]): string => keys.map(({ kid }) => kid ?? '').join(' ');

const sign = async (
  key: SigningKey,
  claims: Readonly<Record<string, unknown>>,
  header: { readonly typ: string },
): Promise<string> => {
  const alg = algorithmOf(key);
  const privateKey = await importJWK(withoutSchedule(key), alg);
  const about = { alg, ...header, ...(key.kid === undefined ? {} : { kid: key.kid }) };
  return await new SignJWT({ ...claims }).setProtectedHeader(about).sign(privateKey);
};

const build = (issuer: string, options: BuildOptions, keys: readonly SigningKey[]): Built => {
  const [signing] = keys as [SigningKey];
  const signingAlgorithm = algorithmOf(signing);
  const jwks = { keys: keys.map(withoutSchedule) } as unknown as ProviderOptions['jwks'];
  const configuration = providerConfiguration({ ...options, jwks, signingAlgorithm });
  const provider = new Provider(issuer, configuration);
  pinTransport(provider, options.publicOrigin);
  compareSecretsByHash(provider);
  leaveLogoutsToThePusher(provider);
  tellNoUnknownTime(provider);
  provider.on('server_error', (_ctx, error) => {
    options.logger.error({ err: error }, 'the OpenID Provider failed');
  });
  const middleware = providerMiddleware(provider, { ...options, signingAlgorithm });
  return { provider, middleware, published: fingerprintOf(keys), signing };
};

/** @see UNKNOWN_TIME */
const tellNoUnknownTime = (provider: Provider): void => {
  Object.defineProperty(provider.Session.prototype, 'authTime', {
    value: function authTime(this: { loginTs?: number }): number | undefined {
      return this.loginTs === UNKNOWN_TIME ? undefined : this.loginTs;
    },
  });
};

/** The library would tell applications once, while the browser waits, and forget it. */
const leaveLogoutsToThePusher = (provider: Provider): void => {
  Object.defineProperty(provider.Client.prototype, 'backchannelLogout', {
    value: async function backchannelLogout(this: { clientId: string }, _sub: string, sid: string): Promise<void> {
      signedOutOf({ clientId: this.clientId, sid });
      await Promise.resolve();
    },
  });
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
      const hash = hashOfShown(actual);
      const live = (this.clientSecret ?? '').split(',').map((each) => Buffer.from(each, 'hex'));
      const isOne = live.filter((each) => each.length === hash.length && timingSafeEqual(hash, each)).length === 1;
      if (isOne) presentedSecret(hash);
      return isOne;
    },
  });
};
