import assert from 'node:assert/strict';

import fc from 'fast-check';

import { createBarrier, serverWaitMs, type Settlement } from './barrier.ts';
import { LeaseRegistry } from './lease-registry.ts';
import { ManualTime, settled } from '../../tests/support/manual-time.ts';

const TTL_MS = 1_000;
const W_MS = serverWaitMs(TTL_MS);
const ORG = 'org';
const A = { replicaId: 'a', bootId: '1' };
const B = { replicaId: 'b', bootId: '1' };

const setUp = (othersMayHaveGranted: () => Promise<boolean> = () => Promise.resolve(false)) => {
  const time = new ManualTime();
  const registry = new LeaseRegistry(W_MS);
  const barrier = createBarrier({
    registry,
    leaseTtlMs: TTL_MS,
    monotonicMs: time.monotonicMs,
    after: time.after,
    othersMayHaveGranted,
  });
  const settle = (position: bigint): { result: () => Settlement | undefined; done: Promise<Settlement> } => {
    let result: Settlement | undefined;
    const done = barrier.settle(ORG, position).then((value) => (result = value));
    return { result: () => result, done };
  };
  return { time, registry, settle };
};

describe('RevokeAndWait barrier (revocation.md §8)', () => {
  it('answers at once when nobody holds a lease', async () => {
    const { settle } = setUp();
    const { by, replicas } = await settle(5n).done;
    assert.deepEqual({ by, replicas }, { by: 'acknowledged', replicas: [] });
  });

  it('answers as soon as every lease holder has applied the position', async () => {
    const { time, registry, settle } = setUp();
    registry.expect(A, time.monotonicMs());
    registry.expect(B, time.monotonicMs());
    const { result, done } = settle(5n);
    time.advance(10);
    registry.acknowledge(A, [[ORG, 5n]]);
    registry.acknowledge(B, [[ORG, 4n]]);
    await settled();
    assert.equal(result(), undefined, 'B has not applied it');
    time.advance(5);
    registry.acknowledge(B, [[ORG, 7n]]);
    const { by, waitedMs, replicas } = await done;
    assert.equal(by, 'acknowledged');
    assert.equal(waitedMs, 15);
    assert.deepEqual(
      replicas.map(({ replicaId, ackedMs }) => [replicaId, ackedMs]),
      [
        ['a', 10],
        ['b', 15],
      ],
    );
  });

  it('waits for the lease of one that is silent, and not longer than W', async () => {
    const { time, registry, settle } = setUp();
    registry.expect(A, time.monotonicMs());
    time.advance(400);
    const { result, done } = settle(5n);
    await settled();
    time.advance(W_MS - 400 - 1);
    await settled();
    assert.equal(result(), undefined);
    time.advance(1);
    const { by, waitedMs, replicas } = await done;
    assert.equal(by, 'waited');
    assert.equal(waitedMs, W_MS - 400);
    assert.equal(replicas[0]?.ackedMs, null);
  });

  it('does not wait for leases granted after it began: they rest on a read that saw the commit', async () => {
    const { time, registry, settle } = setUp();
    registry.expect(A, time.monotonicMs());
    const { done } = settle(5n);
    await settled();
    time.advance(500);
    registry.expect(A, time.monotonicMs());
    registry.expect(B, time.monotonicMs());
    time.advance(W_MS - 500);
    assert.equal((await done).waitedMs, W_MS);
  });

  it('waits out W when another process may have granted leases, whatever was acknowledged', async () => {
    const { time, registry, settle } = setUp(() => Promise.resolve(true));
    registry.expect(A, time.monotonicMs());
    const { result, done } = settle(5n);
    registry.acknowledge(A, [[ORG, 5n]]);
    await settled();
    time.advance(W_MS - 1);
    await settled();
    assert.equal(result(), undefined);
    time.advance(1);
    assert.equal((await done).by, 'waited');
  });

  it('takes a question it cannot ask for "yes"', async () => {
    const { time, settle } = setUp(() => Promise.reject(new TypeError('database away')));
    const { result, done } = settle(5n);
    await settled();
    assert.equal(result(), undefined);
    time.advance(W_MS);
    await done;
  });

  it('tells a restarted replica from the one that held the lease', async () => {
    const { time, registry, settle } = setUp();
    registry.expect(A, time.monotonicMs());
    const { result, done } = settle(5n);
    registry.acknowledge({ ...A, bootId: '2' }, [[ORG, 9n]]);
    await settled();
    assert.equal(result(), undefined);
    time.advance(W_MS);
    await done;
  });

  it('never answers while a replica could still allow from before the position (property)', async () => {
    // Each replica: when the read behind its last lease began (before the commit, at time 0), when it applied, if ever.
    const replica = fc.record({
      readAt: fc.integer({ min: -1_500, max: 0 }),
      appliedAt: fc.option(fc.integer({ min: 1, max: 2_000 })),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(replica, { maxLength: 5 }), async (replicas) => {
        const { time, registry, settle } = setUp();
        for (const [index, { readAt }] of [...replicas.entries()].sort(([, a], [, b]) => a.readAt - b.readAt)) {
          time.advance(2_000 + readAt - time.monotonicMs());
          registry.expect({ replicaId: String(index), bootId: '1' }, time.monotonicMs());
        }
        time.advance(2_000 - time.monotonicMs());
        const { result, done } = settle(5n);
        await settled();
        const events = replicas.flatMap(({ appliedAt }, index) => (appliedAt === null ? [] : [{ appliedAt, index }]));
        for (const { appliedAt, index } of events.sort((a, b) => a.appliedAt - b.appliedAt)) {
          time.advance(Math.max(0, 2_000 + appliedAt - time.monotonicMs()));
          await settled();
          if (result() === undefined) registry.acknowledge({ replicaId: String(index), bootId: '1' }, [[ORG, 5n]]);
          await settled();
        }
        time.advance(W_MS);
        const { waitedMs } = await done;
        // A lease whose Renew was sent at or before its read ends by read + ttl on the replica's own clock.
        const lastAllow = Math.max(
          0,
          ...replicas.map(({ readAt, appliedAt }) => Math.min(readAt + TTL_MS, appliedAt ?? Number.POSITIVE_INFINITY)),
        );
        assert.ok(waitedMs >= lastAllow, `${String(waitedMs)} < ${String(lastAllow)}`);
        assert.ok(waitedMs <= W_MS);
      }),
      { numRuns: 300 },
    );
  });
});
