import type { Mount } from '@sallyport/http';
import type { Clock } from '@sallyport/storage';
import type Koa from 'koa';

import { addressKey } from './address-key.ts';

const WINDOW_MS = 15 * 60_000;
const MAX_KEYS = 20_000;

/** Failures of one key in the window that runs. */
interface Failures {
  count: number;
  readonly endsAtMs: number;
}

/**
 * Counts failures per key in memory. Successes cost nothing and are never refused because of others; what is counted is
 * that of one process, so n replicas let through up to n times the limit. Bounded: the oldest keys go first.
 */
export class FailureLimiter {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #limit: number;
  readonly #failures = new Map<string, Failures>();

  constructor(clock: Pick<Clock, 'monotonicMs'>, limit: number) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /** Seconds until the key may try again; 0 when it may now. */
  blockedForSeconds(key: string): number {
    const found = this.#failures.get(key);
    if (found === undefined || found.count < this.#limit) return 0;
    return Math.max(0, Math.ceil((found.endsAtMs - this.#clock.monotonicMs()) / 1000));
  }

  /** Counts one failure. */
  failed(key: string): void {
    const nowMs = this.#clock.monotonicMs();
    const found = this.#failures.get(key);
    if (found !== undefined && nowMs < found.endsAtMs) {
      found.count += 1;
      return;
    }
    this.#failures.delete(key);
    if (this.#failures.size >= MAX_KEYS) {
      const [oldest] = this.#failures.keys();
      if (oldest !== undefined) this.#failures.delete(oldest);
    }
    this.#failures.set(key, { count: 1, endsAtMs: nowMs + WINDOW_MS });
  }
}

/** Where applications show credentials to the provider: guesses are refused there with these. */
const GUESSED_AT: ReadonlySet<string> = new Set(['/token', '/token/introspection', '/token/revocation', '/request']);

/**
 * Whether a request can have been a guess. An application that has shown who it is guesses nothing: that the tokens of its
 * users have ended, it finds out by showing them.
 */
const isGuess = (ctx: Koa.ParameterizedContext): boolean => {
  if (ctx.status !== 400) return ctx.status === 401;
  const { oidc } = ctx as { oidc?: { client?: { clientAuthMethod?: string } } };
  return (oidc?.client?.clientAuthMethod ?? 'none') === 'none';
};

/** Guesses of one address in 15 minutes. Many applications may share an address; guesses need many more. */
export const MAX_TOKEN_FAILURES = 300;

// The library finds its endpoints in any case, and behind a slash at the end.
const asDeclared = (path: string): string => path.toLowerCase().replace(/\/+$/, '');

/**
 * Refuses an address at the credential endpoints of the provider after too many failures there; every other page of it,
 * signing in included, goes on. These endpoints are there under their own spelling alone: whatever looks at a path sees
 * all that reaches them.
 */
export const withoutGuessing = (
  provider: Mount,
  clock: Pick<Clock, 'monotonicMs'>,
  limit = MAX_TOKEN_FAILURES,
): Mount => {
  const limiter = new FailureLimiter(clock, limit);
  return {
    ...provider,
    middleware: async (ctx, next) => {
      const endpoint = asDeclared(ctx.path);
      if (!GUESSED_AT.has(endpoint)) {
        await provider.middleware(ctx, next);
        return;
      }
      if (endpoint !== ctx.path) {
        await next();
        return;
      }
      const from = addressKey(ctx.request.ip);
      const blockedForSeconds = limiter.blockedForSeconds(from);
      if (blockedForSeconds > 0) {
        ctx.status = 429;
        ctx.set('retry-after', String(blockedForSeconds));
        ctx.body = { error: 'temporarily_unavailable', error_description: 'too many failed requests' };
        return;
      }
      await provider.middleware(ctx, next);
      if (isGuess(ctx)) limiter.failed(from);
    },
  };
};
