import { type Clock, type Database, isWellFormedSecret, secretHash } from '@sallyport/storage';
import type { Logger } from '@sallyport/telemetry';

import { KEY_PREFIX, type KeyGrant } from './environment-key.ts';
import { findKeyBySecret, livingKeys, touchKeys } from './store.ts';

export interface KeyRingOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The environment keys in use, by the hash of their secrets.
 *
 * A key that was seen stays good while the database is away. Revocation drops it at once in the process that revokes,
 * through a notification in the others, and at the latest with the next {@link check}.
 */
export class KeyRing {
  readonly #options: KeyRingOptions;
  readonly #grants = new Map<string, KeyGrant>();
  readonly #lastUsed = new Map<string, { readonly grant: KeyGrant; readonly at: Date }>();
  // Secrets are looked up while others are revoked: a look-up that began before a revocation must not win over it.
  #revocations = 0;

  constructor(options: KeyRingOptions) {
    this.#options = options;
  }

  /** What a secret opens; undefined for one that is malformed, unknown or revoked. @throws UNAVAILABLE */
  async find(secret: string): Promise<KeyGrant | undefined> {
    // Most rubbish fails its checksum and never reaches the database.
    if (!Object.values(KEY_PREFIX).some((prefix) => isWellFormedSecret(prefix, secret))) return undefined;
    const hash = secretHash(secret);
    const id = hash.toString('base64url');
    const grant = this.#grants.get(id) ?? (await this.#load(id, hash));
    if (grant !== undefined) this.#lastUsed.set(grant.keyId, { grant, at: this.#options.clock.now() });
    return grant;
  }

  /** Forgets a key: the next use asks the database. */
  drop(keyId: string): void {
    this.#revocations += 1;
    for (const [id, grant] of this.#grants) if (grant.keyId === keyId) this.#grants.delete(id);
    this.#lastUsed.delete(keyId);
  }

  /** Drops every key in memory that is not alive any more. */
  async check(): Promise<void> {
    const ids = [...this.#grants.values()].map(({ keyId }) => keyId);
    if (ids.length === 0) return;
    const living = await this.#options.db.readAcrossOrganizations(
      'which keys in memory are alive',
      async (tx) => await livingKeys(tx, ids),
    );
    for (const keyId of ids) if (!living.has(keyId)) this.drop(keyId);
  }

  /** Writes down when keys were last used. Never throws: it is for people who tidy up, nothing depends on it. */
  async flushLastUsed(): Promise<void> {
    const uses = [...this.#lastUsed.values()];
    this.#lastUsed.clear();
    for (const [orgId, group] of Map.groupBy(uses, ({ grant }) => grant.orgId)) {
      try {
        await this.#options.db.unauditedWrite(orgId, 'when keys were last used', async (tx) => {
          await touchKeys(
            tx,
            orgId,
            group.map(({ grant, at }) => ({ keyId: grant.keyId, at })),
          );
        });
      } catch (error) {
        this.#options.logger.warn({ err: error }, 'the last use of keys could not be written down');
      }
    }
  }

  async #load(id: string, hash: Buffer): Promise<KeyGrant | undefined> {
    const before = this.#revocations;
    const grant = await this.#options.db.readAcrossOrganizations(
      'a key is what names its organisation',
      async (tx) => await findKeyBySecret(tx, hash),
    );
    if (grant !== undefined && this.#revocations === before) this.#grants.set(id, grant);
    return grant;
  }
}
