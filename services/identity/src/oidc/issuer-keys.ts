import type { Clock } from '@sallyport/storage';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';

import type { GuardedFetch } from '../outbound/index.ts';
import { OidcRefusal } from './reasons.ts';

const MINUTE_MS = 60_000;
/** A key withdrawn by its identity provider is believed for at most this long. */
const KEEP_MS = 10 * MINUTE_MS;
const BUDGET_WINDOW_MS = MINUTE_MS;
/** How often in a minute unknown key ids may send us back to one address: anybody can make them up. */
const MAX_REFETCHES = 6;
const MAX_KEYS = 100;
const MAX_ISSUERS = 1_000;

// Asymmetric public keys only. What else a key says (x5u, x5c, jku) is never looked at.
const keySchema = z.object({
  kty: z.enum(['RSA', 'EC', 'OKP']),
  kid: z.string().optional(),
  use: z.string().optional(),
  alg: z.string().optional(),
  n: z.string().optional(),
  e: z.string().optional(),
  crv: z.string().optional(),
  x: z.string().optional(),
  y: z.string().optional(),
});
const documentSchema = z.object({ keys: z.array(z.unknown()).max(MAX_KEYS) });

interface Kept {
  readonly find: ReturnType<typeof createLocalJWKSet>;
  readonly fetchedAtMs: number;
}

/**
 * The signing keys of identity providers, by the address they are published at.
 *
 * Kept for ten minutes. A key id that is not among them sends us back once, at most six times a minute for one address;
 * requests at the same time share one fetch. Old and new keys count side by side for as long as both are published.
 */
export class IssuerKeys {
  readonly #fetch: GuardedFetch;
  readonly #clock: Clock;
  readonly #kept = new Map<string, Kept>();
  readonly #underWay = new Map<string, Promise<Kept>>();
  readonly #refetches = new Map<string, number[]>();

  constructor(options: { readonly fetch: GuardedFetch; readonly clock: Clock }) {
    this.#fetch = options.fetch;
    this.#clock = options.clock;
  }

  /** Finds the one key that a token names. @throws OidcRefusal KEYS_UNAVAILABLE; the errors of jose for no or several keys */
  keyFinder(jwksUri: string): JWTVerifyGetKey {
    return async (header, token) => {
      const now = this.#clock.monotonicMs();
      const kept = this.#kept.get(jwksUri);
      const isFresh = kept !== undefined && now - kept.fetchedAtMs < KEEP_MS;
      const keys = isFresh ? kept : await this.#load(jwksUri);
      try {
        return await keys.find(header, token);
      } catch (error) {
        // Just fetched, or asked too often: what is unknown stays unknown.
        if (!(error instanceof errors.JWKSNoMatchingKey) || !isFresh || !this.#mayRefetch(jwksUri, now)) throw error;
        return await (await this.#load(jwksUri)).find(header, token);
      }
    };
  }

  #mayRefetch(jwksUri: string, now: number): boolean {
    if (this.#underWay.has(jwksUri)) return true;
    const recent = (this.#refetches.get(jwksUri) ?? []).filter((at) => now - at < BUDGET_WINDOW_MS);
    if (recent.length >= MAX_REFETCHES) return false;
    this.#refetches.set(jwksUri, [...recent, now]);
    return true;
  }

  async #load(jwksUri: string): Promise<Kept> {
    const underWay = this.#underWay.get(jwksUri);
    if (underWay !== undefined) return await underWay;
    const loading = this.#read(jwksUri);
    this.#underWay.set(jwksUri, loading);
    try {
      const loaded = await loading;
      if (this.#kept.size >= MAX_ISSUERS) this.#forget();
      this.#kept.set(jwksUri, loaded);
      return loaded;
    } finally {
      this.#underWay.delete(jwksUri);
    }
  }

  async #read(jwksUri: string): Promise<Kept> {
    try {
      const answer = await this.#fetch(jwksUri, { headers: { accept: 'application/json' } });
      if (answer.status !== 200) throw new OidcRefusal('KEYS_UNAVAILABLE', 'status');
      const { keys } = documentSchema.parse(await answer.json());
      const usable = keys.flatMap((key) => {
        const parsed = keySchema.safeParse(key);
        return parsed.success && (parsed.data.use ?? 'sig') === 'sig' ? [parsed.data] : [];
      });
      const document = { keys: usable } as JSONWebKeySet;
      return { find: createLocalJWKSet(document), fetchedAtMs: this.#clock.monotonicMs() };
    } catch (error) {
      throw error instanceof OidcRefusal ? error : new OidcRefusal('KEYS_UNAVAILABLE');
    }
  }

  #forget(): void {
    this.#kept.clear();
    this.#refetches.clear();
  }
}
