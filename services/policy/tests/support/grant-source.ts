import { setImmediate } from 'node:timers/promises';

import { createMetrics, silentLogger } from '@sallyport/telemetry';

import { GrantKnowledge } from '../../src/grants/knowledge.ts';
import type { RawOrganization, RawOrganizationChange } from '../../src/grants/read-rows.ts';
import type { DecisionToken } from '../../src/grants/snapshot.ts';
import type { GrantHeads, KnownRevision } from '../../src/grants/store.ts';
import { BUILT_IN_ROLES } from '../../src/model/index.ts';

/** ms. */
export const TTL = 1_000;

type LoadedOrganization = RawOrganization & { readonly tokens: readonly DecisionToken[] };

/** One grant, to alice. */
export const organization = (
  orgId: string,
  revision: bigint,
  roleKey: string,
  effect = 'allow',
): LoadedOrganization => ({
  orgId,
  slug: orgId,
  revision: String(revision),
  grants: [
    {
      grantId: `grant-${orgId}`,
      subjectType: 'user',
      subjectId: 'alice',
      roleKey,
      projectId: null,
      environmentId: null,
      effect,
      validFromMs: null,
      validUntilMs: null,
    },
  ],
  projects: [],
  environments: [],
  tokens: [{ tokenId: `token-${orgId}`, hash: `hash-${orgId}-${String(revision)}`, expiresAtMs: null }],
});

/** A database in memory that fails and waits on order. */
export class Source {
  readonly organizations = new Map<string, LoadedOrganization>();
  isRecovering = false;
  failure: Error | null = null;
  loads: (readonly string[])[] = [];
  changed: (readonly string[])[] = [];
  /** Grants that were there once: what a change may have taken away. */
  readonly #seen = new Map<string, Set<string>>();
  onHeads: () => Promise<void> | void = () => undefined;
  /** Awaited once the rows have been looked at. */
  onLoad: (orgIds: readonly string[]) => Promise<void> | void = () => undefined;

  put(each: LoadedOrganization): void {
    const seen = this.#seen.get(each.orgId) ?? new Set();
    for (const { grantId } of each.grants) seen.add(String(grantId));
    this.#seen.set(each.orgId, seen);
    this.organizations.set(each.orgId, each);
  }

  async heads(): Promise<GrantHeads> {
    const revisions = new Map([...this.organizations].map(([orgId, { revision }]) => [orgId, BigInt(revision)]));
    await this.onHeads();
    if (this.failure !== null) throw this.failure;
    return { isRecovering: this.isRecovering, revisions };
  }

  async load(orgIds: readonly string[]): Promise<readonly LoadedOrganization[]> {
    this.loads.push(orgIds);
    const found = orgIds.flatMap((orgId) => this.organizations.get(orgId) ?? []);
    await this.onLoad(orgIds);
    return found;
  }

  async changes(known: readonly KnownRevision[]): Promise<readonly RawOrganizationChange[]> {
    this.changed.push(known.map(({ orgId }) => orgId));
    const changes = known.flatMap(({ orgId }) => {
      const found = this.organizations.get(orgId);
      return found === undefined ? [] : [{ ...found, changedIds: [...(this.#seen.get(orgId) ?? [])] }];
    });
    return await Promise.resolve(changes);
  }

  async tokens(orgIds: readonly string[]): Promise<readonly (DecisionToken & { readonly orgId: string })[]> {
    const tokens = orgIds.flatMap((orgId) =>
      (this.organizations.get(orgId)?.tokens ?? []).map((token) => ({ ...token, orgId })),
    );
    return await Promise.resolve(tokens);
  }
}

/** Knowledge of that database, under a clock that stands still. */
export const setup = (options: { readonly maxBytes?: number; readonly maxLoadMs?: number } = {}) => {
  const time = { ms: 0 };
  const source = new Source();
  const clock = { now: () => new Date(time.ms), monotonicMs: () => time.ms };
  const metrics = createMetrics('policy', { processMetrics: false });
  const knowledge = new GrantKnowledge({
    source,
    roles: BUILT_IN_ROLES,
    clock,
    logger: silentLogger(),
    metrics,
    ttlMs: TTL,
    ...options,
  });
  /** Reads, and then what somebody asks for. */
  const readAll = async (): Promise<void> => {
    await knowledge.refresh();
    for (const orgId of source.organizations.keys()) await knowledge.ensure(orgId);
  };
  return { time, source, knowledge, readAll, metrics };
};

/** Resolves when `condition` holds; turns of the event loop pass meanwhile. */
export const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await setImmediate();
};
