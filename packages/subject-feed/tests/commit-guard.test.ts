import assert from 'node:assert/strict';

import { CommitGuard, type Release } from '../src/commit-guard.ts';
import { Lease } from '../src/lease.ts';
import { Standing } from '../src/standing.ts';

const ORG = 'org';
const TTL_MS = 1_000;

interface Scene {
  readonly guard: CommitGuard;
  readonly standing: Standing;
  readonly lease: Lease;
  /** A log entry about one subject is applied, as the feed does it. */
  hear(subjectId: string, standing: { active: boolean; epoch: bigint }, orgId?: string): void;
  renew(): void;
  pass(ms: number): void;
}

const scene = (): Scene => {
  let nowMs = 0;
  const standing = new Standing();
  const lease = new Lease({ now: () => new Date(nowMs), monotonicMs: () => nowMs }, TTL_MS);
  const guard = new CommitGuard(standing, lease);
  const renew = (): void => {
    lease.adopt(lease.reading(), TTL_MS);
    guard.wake();
  };
  renew();
  return {
    guard,
    standing,
    lease,
    renew,
    pass: (ms) => {
      nowMs += ms;
    },
    hear: (subjectId, { active, epoch }, orgId = ORG) => {
      const position = standing.position(orgId) + 1n;
      const subjects = [{ subjectId, standing: { type: 'user', active, epoch, groupIds: [] } }] as const;
      standing.apply(orgId, position, subjects, []);
      guard.applied({ kind: 'entry', orgId, position, subjects, groups: [] });
    },
  };
};

const alice = (epoch = 1n) => ({ orgId: ORG, subjectId: 'alice', epoch });
const entered = async (promise: Promise<Release | null>): Promise<Release> => {
  const release = await promise;
  assert.ok(release !== null, 'was not let in');
  return release;
};

describe('a commit on the authority of somebody', () => {
  it('is let through while their access stands, and nothing is held back afterwards', async () => {
    const { guard, hear } = scene();
    hear('alice', { active: true, epoch: 1n });
    (await entered(guard.enter(alice())))();
    hear('alice', { active: false, epoch: 2n });
    assert.equal(guard.mayAcknowledge(ORG), true);
  });

  it('is refused once the end of their access was applied', async () => {
    const { guard, hear } = scene();
    hear('alice', { active: false, epoch: 2n });
    assert.equal(await guard.enter(alice()), null);
    assert.equal(await guard.enter(alice(2n)), null);
  });

  it('is refused for a credential of an older epoch, though they are active again', async () => {
    const { guard, hear } = scene();
    hear('alice', { active: true, epoch: 3n });
    assert.equal(await guard.enter(alice(2n)), null);
    await entered(guard.enter(alice(3n)));
    await entered(guard.enter(alice(0n)));
  });

  it('holds the acknowledgement of the end of their access back until it has ended', async () => {
    const { guard, hear } = scene();
    hear('alice', { active: true, epoch: 1n });
    const [first, second] = [await entered(guard.enter(alice())), await entered(guard.enter(alice()))];
    hear('alice', { active: false, epoch: 2n });
    assert.equal(guard.mayAcknowledge(ORG), false);
    assert.equal(await guard.enter(alice()), null);
    first();
    first();
    assert.equal(guard.mayAcknowledge(ORG), false);
    let told = 0;
    guard.onCleared(() => {
      told += 1;
    });
    const cleared = guard.cleared();
    second();
    await cleared;
    assert.deepEqual([guard.mayAcknowledge(ORG), told], [true, 1]);
  });

  it('holds back what a re-read of the organisation brings, because anybody may have changed in it', async () => {
    const { guard, hear } = scene();
    hear('alice', { active: true, epoch: 1n });
    const release = await entered(guard.enter(alice()));
    const state = { position: 9n, logId: 'log', subjects: [], groups: [] };
    guard.applied({ kind: 'state', orgId: ORG, state });
    assert.equal(guard.mayAcknowledge(ORG), false);
    release();
    assert.equal(guard.mayAcknowledge(ORG), true);
  });

  it('does not hold back news of others, or of another organisation', async () => {
    const { guard, hear } = scene();
    hear('alice', { active: true, epoch: 1n });
    await entered(guard.enter(alice()));
    hear('bob', { active: false, epoch: 2n });
    hear('alice', { active: false, epoch: 2n }, 'another');
    assert.equal(guard.mayAcknowledge(ORG), true);
    assert.equal(guard.mayAcknowledge('another'), true);
  });

  it('waits for news of somebody new, or of a newer epoch, that the one who decided had already', async () => {
    const { guard, hear } = scene();
    const [first, later] = [guard.enter(alice()), guard.enter(alice(2n))];
    hear('alice', { active: true, epoch: 1n });
    (await entered(first))();
    hear('alice', { active: true, epoch: 2n });
    await entered(later);
  });

  it('waits for the lease, and is refused without one', async () => {
    const { guard, hear, renew, pass } = scene();
    hear('alice', { active: true, epoch: 1n });
    pass(TTL_MS);
    const waiting = guard.enter(alice());
    renew();
    await entered(waiting);
    pass(TTL_MS);
    assert.equal(await guard.enter(alice()), null);
  });

  it('is refused while the organisation is being re-read', async () => {
    const { guard, hear, standing } = scene();
    hear('alice', { active: true, epoch: 1n });
    standing.markStale(ORG);
    assert.equal(await guard.enter(alice()), null);
  });
});
