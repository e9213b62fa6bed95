import assert from 'node:assert/strict';

import { silentLogger } from '@sallyport/telemetry';
import type { FollowResponse } from '@sallyport/proto/identity/v1';
import fc from 'fast-check';

import { ManualTime, settled } from '../../tests/support/manual-time.ts';
import type { LogEntry } from './entry.ts';
import { FeedHub } from './feed-hub.ts';
import { FeedSession } from './feed-session.ts';
import { LeaseRegistry } from './lease-registry.ts';

const LOG_ID = 'log';
const TTL_MS = 1_000;

interface Read {
  readonly startedAtMs: number;
  answer(): void;
  fail(): void;
}

/** A log whose reads of the heads are answered when the test says so, with the state at their start. */
class Log {
  readonly heads = new Map<string, bigint>();
  readonly reads: Read[] = [];
  readonly #time: ManualTime;
  isPrimary = true;

  constructor(time: ManualTime) {
    this.#time = time;
  }

  commit(orgId: string): bigint {
    const position = (this.heads.get(orgId) ?? 0n) + 1n;
    this.heads.set(orgId, position);
    return position;
  }

  readonly readHeads = async (): Promise<{ primary: boolean; heads: ReadonlyMap<string, bigint> }> => {
    const heads = new Map(this.heads);
    const { promise, resolve, reject } = Promise.withResolvers<{ primary: boolean; heads: Map<string, bigint> }>();
    this.reads.push({
      startedAtMs: this.#time.monotonicMs(),
      answer: () => resolve({ primary: this.isPrimary, heads }),
      fail: () => reject(new TypeError('connection lost')),
    });
    return await promise;
  };

  readonly readEntries = ({
    orgId,
    after,
    until,
  }: {
    orgId: string;
    after: bigint;
    until: bigint;
  }): Promise<LogEntry[]> =>
    Promise.resolve(
      Array.from({ length: Number(until - after) }, (_, index) => ({
        orgId,
        position: after + BigInt(index) + 1n,
        cause: 'x',
        subjects: [],
        groups: [],
        requestId: '',
        committedAt: new Date(0),
      })),
    );
}

/** The replica's side, as revocation.md §6 and §7 prescribe it, with its own view of what it may still allow. */
class Replica {
  readonly applied = new Map<string, bigint>();
  readonly grants: bigint[] = [];
  readonly session: FeedSession;
  readonly #sentAtMs = new Map<bigint, number>();
  readonly #time: ManualTime;
  readonly #registry: LeaseRegistry;
  leaseUntilMs = 0;
  #nonce = 0n;

  constructor(id: string, time: ManualTime, registry: LeaseRegistry) {
    this.#time = time;
    this.#registry = registry;
    this.session = new FeedSession(
      { replicaId: id, bootId: '1', protocolVersion: 1, logId: LOG_ID, cursors: [] },
      { offer: (message) => this.#receive(message) },
      LOG_ID,
    );
  }

  renew(): void {
    this.#nonce += 1n;
    this.#sentAtMs.set(this.#nonce, this.#time.monotonicMs());
    const applied = [...this.applied].map(([orgId, position]) => ({ orgId, position }));
    this.session.renew({ nonce: this.#nonce, applied }, this.#registry);
  }

  #receive({ message }: FollowResponse): boolean {
    if (message?.$case === 'delta')
      for (const { orgId, position } of message.value.entries) {
        assert.equal(position, (this.applied.get(orgId) ?? 0n) + 1n, 'contiguous');
        this.applied.set(orgId, position);
      }
    if (message?.$case === 'grant') {
      const { nonce, heads, ttlMs } = message.value;
      for (const { orgId, position } of heads)
        assert.ok((this.applied.get(orgId) ?? 0n) >= position, 'every Delta comes before the Grant');
      this.grants.push(nonce);
      this.leaseUntilMs = Math.max(this.leaseUntilMs, (this.#sentAtMs.get(nonce) ?? 0) + ttlMs);
    }
    return true;
  }

  /** Whether it may allow something that only a state before this position allows. */
  allowsBefore(orgId: string, position: bigint): boolean {
    return this.#time.monotonicMs() < this.leaseUntilMs && (this.applied.get(orgId) ?? 0n) < position;
  }
}

const setUp = (mayGrant: () => boolean = () => true) => {
  const time = new ManualTime();
  const log = new Log(time);
  const registry = new LeaseRegistry(1_050);
  const hub = new FeedHub({
    readHeads: log.readHeads,
    readEntries: log.readEntries,
    registry,
    mayGrant,
    monotonicMs: time.monotonicMs,
    leaseTtlMs: TTL_MS,
    logger: silentLogger(),
  });
  const join = (id: string): Replica => {
    const replica = new Replica(id, time, registry);
    hub.add(replica.session);
    return replica;
  };
  return { time, log, registry, hub, join };
};

describe('FeedHub (revocation.md §6.2)', () => {
  it('never answers a Renew with a read that began before it', async () => {
    const { log, hub, join } = setUp();
    const replica = join('r');
    await settled();
    assert.equal(log.reads.length, 1, 'the read that joining asked for is under way');
    replica.renew();
    hub.wake();
    log.reads[0]?.answer();
    await settled();
    assert.deepEqual(replica.grants, []);
    assert.equal(log.reads.length, 2);
    log.reads[1]?.answer();
    await settled();
    assert.deepEqual(replica.grants, [1n]);
  });

  it('serves all waiting Renews from one read', async () => {
    const { log, hub, join } = setUp();
    const replicas = ['a', 'b', 'c'].map(join);
    await settled();
    for (const replica of replicas) replica.renew();
    hub.wake();
    hub.wake();
    log.reads[0]?.answer();
    await settled();
    assert.equal(log.reads.length, 2);
    log.reads[1]?.answer();
    await settled();
    assert.deepEqual(
      replicas.map(({ grants }) => grants),
      [[1n], [1n], [1n]],
    );
  });

  it('pushes what a wake-up announces without waiting for a Renew', async () => {
    const { log, hub, join } = setUp();
    const replica = join('r');
    await settled();
    log.reads[0]?.answer();
    await settled();
    log.commit('A');
    hub.wake();
    await settled();
    log.reads[1]?.answer();
    await settled();
    assert.equal(replica.applied.get('A'), 1n);
    assert.deepEqual(replica.grants, []);
  });

  it('grants nothing when the read fails, when the server is not the primary, and while it may not', async () => {
    let may = true;
    const { log, hub, join } = setUp(() => may);
    const replica = join('r');
    await settled();
    log.reads[0]?.answer();
    await settled();
    const attempt = async (finish: (read: Read) => void): Promise<void> => {
      replica.renew();
      hub.wake();
      await settled();
      const read = log.reads.at(-1);
      assert.ok(read !== undefined);
      finish(read);
      await settled();
    };
    await attempt((read) => {
      read.fail();
    });
    log.isPrimary = false;
    await attempt((read) => {
      read.answer();
    });
    log.isPrimary = true;
    may = false;
    await attempt((read) => {
      read.answer();
    });
    assert.deepEqual(replica.grants, []);
    may = true;
    await attempt((read) => {
      read.answer();
    });
    assert.deepEqual(replica.grants, [4n]);
  });

  it('lets the barrier see every lease before the read behind it begins', async () => {
    const { time, log, registry, hub, join } = setUp();
    const replica = join('r');
    await settled();
    log.reads[0]?.answer();
    await settled();
    replica.renew();
    hub.wake();
    await settled();
    assert.deepEqual(
      registry.holders(time.monotonicMs()).map(({ replicaId }) => replicaId),
      ['r'],
      'noted while the read is still under way',
    );
  });

  it('keeps the bound under any interleaving of commits, Renews, wake-ups, slow reads and failures (property)', async () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant('commit' as const), org: fc.constantFrom('A', 'B') }),
      fc.record({ kind: fc.constant('renew' as const), replica: fc.nat({ max: 2 }) }),
      fc.record({ kind: fc.constant('answer' as const) }),
      fc.record({ kind: fc.constant('fail' as const) }),
      fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 700 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 60 }), async (actions) => {
        const { time, log, hub, join } = setUp();
        const replicas = ['a', 'b', 'c'].map(join);
        const commits: { org: string; position: bigint; atMs: number }[] = [];
        let answered = 0;
        for (const step of actions) {
          if (step.kind === 'commit') {
            commits.push({ org: step.org, position: log.commit(step.org), atMs: time.monotonicMs() });
            hub.wake();
          } else if (step.kind === 'renew') {
            replicas[step.replica]?.renew();
            hub.wake();
          } else if (step.kind === 'pass') time.advance(step.ms);
          else {
            const read = log.reads[answered];
            if (read !== undefined) {
              answered += 1;
              if (step.kind === 'answer') read.answer();
              else read.fail();
            }
          }
          await settled();
          for (const { org, position, atMs } of commits)
            for (const replica of replicas)
              assert.ok(
                !replica.allowsBefore(org, position) || time.monotonicMs() < atMs + TTL_MS,
                `allowed ${String(time.monotonicMs() - atMs)} ms after the commit`,
              );
        }
      }),
      { numRuns: 300 },
    );
  });
});
