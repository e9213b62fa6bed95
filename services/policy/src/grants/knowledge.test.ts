import assert from 'node:assert/strict';

import { createMetrics, silentLogger } from '@sallyport/telemetry';

import { BUILT_IN_ROLES } from '../model/roles.ts';
import { GrantKnowledge, type LoadedOrganization } from './knowledge.ts';
import type { GrantHeads } from './store.ts';

const TTL = 1_000;

const organization = (orgId: string, revision: bigint, roleKey: string, effect = 'allow'): LoadedOrganization => ({
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
class Source {
  readonly organizations = new Map<string, LoadedOrganization>();
  isRecovering = false;
  failure: Error | null = null;
  loads: (readonly string[])[] = [];
  onHeads: () => Promise<void> | void = () => undefined;

  put(each: LoadedOrganization): void {
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
    return await Promise.resolve(orgIds.flatMap((orgId) => this.organizations.get(orgId) ?? []));
  }
}

const setup = () => {
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
  });
  return { time, source, knowledge };
};

const refused = async (work: Promise<void>): Promise<void> => {
  await assert.rejects(work);
};

describe('knowledge of grants', () => {
  it('has no lease before the first read, and counts it from before the read began', async () => {
    const { time, source, knowledge } = setup();
    source.put(organization('a', 1n, 'viewer'));
    assert.equal(knowledge.forMs('a'), 0);
    source.onHeads = () => {
      time.ms += 300;
    };
    await knowledge.refresh();
    assert.equal(knowledge.forMs('a'), TTL - 300);
    time.ms += TTL - 300;
    assert.equal(knowledge.forMs('a'), 0);
  });

  it('reads only what has moved, and replaces the snapshot by one reference', async () => {
    const { source, knowledge } = setup();
    source.put(organization('a', 1n, 'viewer'));
    source.put(organization('b', 1n, 'viewer'));
    await knowledge.refresh();
    const before = knowledge.snapshot;
    await knowledge.refresh();
    assert.equal(knowledge.snapshot, before, 'nothing has moved');
    source.put(organization('b', 2n, 'developer'));
    await knowledge.refresh();
    assert.deepEqual(source.loads, [['a', 'b'], ['b']]);
    assert.equal(before.organizations.get('b')?.revision, 1n, 'a decision that holds the old one is not disturbed');
    assert.equal(knowledge.organization('b')?.revision, 2n);
    assert.equal(knowledge.organization('a'), before.organizations.get('a'));
    assert.deepEqual([...knowledge.snapshot.tokens.keys()].sort(), ['hash-a-1', 'hash-b-2']);
  });

  it('follows a revision backwards too (a restored database)', async () => {
    const { source, knowledge } = setup();
    source.put(organization('a', 5n, 'viewer'));
    await knowledge.refresh();
    source.put(organization('a', 3n, 'developer'));
    await knowledge.refresh();
    assert.equal(knowledge.organization('a')?.revision, 3n);
  });

  it('forgets an organisation that is gone, with its tokens', async () => {
    const { source, knowledge } = setup();
    source.put(organization('a', 1n, 'viewer'));
    await knowledge.refresh();
    source.organizations.delete('a');
    await knowledge.refresh();
    assert.deepEqual([knowledge.snapshot.organizations.size, knowledge.snapshot.tokens.size], [0, 0]);
  });

  it('takes no lease from a failed read, nor from a standby', async () => {
    const { time, source, knowledge } = setup();
    source.put(organization('a', 1n, 'viewer'));
    await knowledge.refresh();
    time.ms = 500;
    source.failure = new Error('gone');
    await refused(knowledge.refresh());
    source.failure = null;
    source.isRecovering = true;
    await refused(knowledge.refresh());
    assert.equal(knowledge.forMs('a'), TTL - 500, 'what was known stays usable until its own end');
    assert.equal(knowledge.organization('a')?.revision, 1n);
  });

  it('keeps the last good index of an organisation that cannot be built, without lease, and repairs', async () => {
    const { source, knowledge } = setup();
    source.put(organization('a', 1n, 'viewer'));
    source.put(organization('b', 1n, 'viewer'));
    await knowledge.refresh();
    source.put(organization('a', 2n, 'no-such-role', 'deny'));
    await knowledge.refresh();
    assert.equal(knowledge.organization('a')?.revision, 1n);
    assert.deepEqual([knowledge.forMs('a'), knowledge.forMs('b')], [0, TTL]);
    await knowledge.refresh();
    assert.equal(source.loads.length, 2, 'it is not built again before it has moved');
    source.put(organization('a', 3n, 'developer'));
    await knowledge.refresh();
    assert.deepEqual([knowledge.forMs('a'), knowledge.organization('a')?.revision], [TTL, 3n]);
  });

  it('settles on a read that began after the call, also while another one is running', async () => {
    const { source, knowledge } = setup();
    source.put(organization('a', 1n, 'viewer'));
    await knowledge.refresh();
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    source.onHeads = async () => {
      source.onHeads = () => undefined;
      begun.resolve();
      await gate.promise;
    };
    const running = knowledge.refresh();
    await begun.promise;
    // Committed after that read had taken its heads.
    source.put(organization('a', 2n, 'developer'));
    const settled = knowledge.settled();
    gate.resolve();
    await running;
    assert.equal(knowledge.organization('a')?.revision, 1n);
    await settled;
    assert.equal(knowledge.organization('a')?.revision, 2n);
  });

  it('drops the lease when it cannot settle: what is known to be old decides nothing', async () => {
    const { source, knowledge } = setup();
    source.put(organization('a', 1n, 'viewer'));
    await knowledge.refresh();
    source.failure = new Error('gone');
    await knowledge.settled();
    assert.equal(knowledge.forMs('a'), 0);
    source.failure = null;
    await knowledge.refresh();
    assert.equal(knowledge.forMs('a'), TTL);
  });
});
