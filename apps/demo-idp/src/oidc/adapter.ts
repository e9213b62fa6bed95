import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { Clock } from '../clock.ts';

/** Answers for what is not stored but derived: `null` = look in the store. */
export interface AdapterRules {
  /** The one configured client, by its id. */
  findClient(clientId: string): AdapterPayload | undefined;
  /** False hides everything that belongs to this account, its sessions first of all. */
  mayUse(accountId: string): boolean;
}

interface Entry {
  payload: AdapterPayload;
  expiresAtMs: number;
}

const CAPACITY = 10_000;

/**
 * Stores of the OpenID Provider in memory, one adapter per model: a restart ends all its sessions.
 * What belongs to somebody who may not sign in any more is not found.
 */
export function createAdapterFactory(clock: Clock, rules: AdapterRules): (model: string) => Adapter {
  const entries = new Map<string, Entry>();

  function read(key: string): AdapterPayload | undefined {
    const entry = entries.get(key);
    if (entry === undefined || entry.expiresAtMs <= clock.monotonicMs()) return undefined;
    const { accountId } = entry.payload;
    return accountId === undefined || rules.mayUse(accountId) ? entry.payload : undefined;
  }

  function search(model: string, matches: (payload: AdapterPayload) => boolean): AdapterPayload | undefined {
    for (const [key, entry] of entries) {
      if (key.startsWith(`${model}:`) && matches(entry.payload)) return read(key);
    }
    return undefined;
  }

  return (model) => ({
    upsert: async (id, payload, expiresIn) => {
      const [oldest] = entries.keys();
      if (entries.size >= CAPACITY && oldest !== undefined) entries.delete(oldest);
      const lifetimeMs = expiresIn === undefined ? Number.POSITIVE_INFINITY : expiresIn * 1000;
      entries.set(`${model}:${id}`, { payload, expiresAtMs: clock.monotonicMs() + lifetimeMs });
      await Promise.resolve();
    },
    find: async (id) => await Promise.resolve(model === 'Client' ? rules.findClient(id) : read(`${model}:${id}`)),
    findByUid: async (uid) => await Promise.resolve(search(model, (payload) => payload.uid === uid)),
    findByUserCode: async (userCode) =>
      await Promise.resolve(search(model, (payload) => payload.userCode === userCode)),
    consume: async (id) => {
      const entry = entries.get(`${model}:${id}`);
      if (entry !== undefined) entry.payload.consumed = Math.floor(clock.now().getTime() / 1000);
      await Promise.resolve();
    },
    destroy: async (id) => {
      entries.delete(`${model}:${id}`);
      await Promise.resolve();
    },
    revokeByGrantId: async (grantId) => {
      for (const [key, entry] of entries) if (entry.payload.grantId === grantId) entries.delete(key);
      await Promise.resolve();
    },
  });
}
