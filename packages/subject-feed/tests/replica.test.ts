import assert from 'node:assert/strict';

import type { FollowResponse, LogEntry, SubjectState } from '@sallyport/proto/identity/v1';

import { Lease } from '../src/lease.ts';
import { SubjectReplica, digestOf, type AppliedStep, type FeedAlarm } from '../src/replica.ts';
import { Standing, type StandingState } from '../src/standing.ts';

const TTL = 1_000;

interface Bench {
  readonly standing: Standing;
  readonly lease: Lease;
  readonly replica: SubjectReplica;
  readonly snapshots: string[];
  readonly reconnects: string[];
  readonly alarms: FeedAlarm[];
  readonly steps: AppliedStep[];
  /** Organisations that must not be acknowledged now. */
  readonly held: Set<string>;
}

const bench = (logId = ''): Bench => {
  const standing = new Standing();
  const lease = new Lease({ now: () => new Date(0), monotonicMs: () => 0 }, TTL);
  const found = { snapshots: [] as string[], reconnects: [] as string[], alarms: [] as FeedAlarm[] };
  const steps: AppliedStep[] = [];
  const held = new Set<string>();
  const port = {
    requestSnapshot: (orgId: string) => found.snapshots.push(orgId),
    reconnect: (reason: string) => found.reconnects.push(reason),
    applied: (step: AppliedStep) => steps.push(step),
    mayAcknowledge: (orgId: string) => !held.has(orgId),
    alarm: (alarm: FeedAlarm) => found.alarms.push(alarm),
  };
  const replica = new SubjectReplica(standing, lease, port, logId);
  return { standing, lease, replica, steps, held, ...found };
};

const subject = (fields: Partial<SubjectState> = {}): SubjectState => ({
  subjectId: 'alice',
  type: 1,
  active: true,
  epoch: 1n,
  groupIds: [],
  deleted: false,
  ...fields,
});

const entry = (position: bigint, subjects: SubjectState[] = [subject()], orgId = 'org'): LogEntry => ({
  orgId,
  position,
  cause: 'account.changed',
  subjects,
  groups: [],
  requestId: '',
  committedAt: undefined,
});

const delta = (...entries: LogEntry[]): FollowResponse => ({ message: { $case: 'delta', value: { entries } } });

const grant = (nonce: bigint, heads: readonly (readonly [string, bigint])[], logId = 'log'): FollowResponse => ({
  message: {
    $case: 'grant',
    value: {
      nonce,
      logId,
      heads: heads.map(([orgId, position]) => ({ orgId, position })),
      digest: digestOf(new Map(heads)),
      ttlMs: TTL,
    },
  },
});

const state = (position: bigint, logId = 'log'): StandingState => ({
  position,
  logId,
  subjects: [{ subjectId: 'alice', standing: { type: 'user', active: false, epoch: 9n, groupIds: [] } }],
  groups: [{ groupId: 'qa', displayName: 'QA' }],
});

/** A stream on which `org` stands at position 2 and the lease is held. */
const following = (): Bench => {
  const at = bench();
  at.replica.hello('replica', 'boot');
  at.replica.renew();
  at.replica.receive(delta(entry(1n), entry(2n)));
  at.replica.receive(grant(1n, [['org', 2n]]));
  assert.equal(at.lease.remainingMs(), TTL);
  return at;
};

describe('replica of the subject log', () => {
  it('greets with what it has applied, and acknowledges what it applied since', () => {
    const { replica } = following();
    assert.deepEqual(replica.renew().applied, [{ orgId: 'org', position: 2n }]);
    assert.deepEqual(replica.renew().applied, []);
    const hello = replica.hello('replica', 'boot');
    assert.deepEqual([hello.logId, hello.cursors], ['log', [{ orgId: 'org', position: 2n }]]);
  });

  it('keeps back the acknowledgement of what must not be acknowledged yet', () => {
    const { replica, held } = following();
    replica.receive(delta(entry(3n), entry(1n, [subject()], 'other')));
    held.add('org');
    assert.deepEqual(replica.renew().applied, [{ orgId: 'other', position: 1n }]);
    held.delete('org');
    assert.deepEqual(replica.renew().applied, [{ orgId: 'org', position: 3n }]);
  });

  it('holds no lease before a grant, whatever was applied', () => {
    const { replica, lease } = bench();
    replica.hello('replica', 'boot');
    replica.renew();
    replica.receive(delta(entry(1n)));
    assert.equal(lease.remainingMs(), 0);
  });

  it('ignores what it has already applied', () => {
    const { replica, standing, alarms, steps } = following();
    const before = steps.length;
    replica.receive(delta(entry(1n, [subject({ active: false, epoch: 5n })]), entry(2n)));
    assert.equal(standing.find('org', 'alice')?.active, true);
    assert.deepEqual([alarms, steps.length], [[], before]);
  });

  it('re-reads an organisation after a gap, denying it meanwhile and no other', () => {
    const { replica, standing, snapshots, alarms } = following();
    replica.receive(delta(entry(1n, [subject()], 'other')));
    replica.receive(delta(entry(4n)));
    assert.deepEqual([standing.isStale('org'), standing.isStale('other')], [true, false]);
    assert.deepEqual([snapshots, alarms], [['org'], ['gap']]);
    assert.equal(replica.isResyncing('org'), true);
  });

  it('applies after the snapshot what arrived while it was on the way', () => {
    const { replica, standing } = following();
    replica.receive(delta(entry(4n)));
    replica.receive(delta(entry(5n), entry(6n, [subject({ subjectId: 'bob' })])));
    replica.snapshotRead('org', state(5n));
    assert.deepEqual([standing.position('org'), standing.isStale('org')], [6n, false]);
    assert.equal(standing.find('org', 'alice')?.active, false);
    assert.equal(standing.find('org', 'bob')?.active, true);
    assert.equal(standing.hasGroup('org', 'qa'), true);
  });

  it('does not take a snapshot that is older than the head it was told', () => {
    const { replica, standing, snapshots } = following();
    replica.receive(delta(entry(4n)));
    replica.renew();
    replica.receive(grant(2n, [['org', 9n]]));
    replica.snapshotRead('org', state(8n));
    assert.equal(standing.isStale('org'), true);
    assert.deepEqual(snapshots, ['org', 'org']);
  });

  it('asks again with the next grant when a snapshot failed', () => {
    const { replica, standing, snapshots } = following();
    replica.receive(delta(entry(4n)));
    replica.renew();
    replica.receive(grant(2n, [['org', 4n]]));
    assert.deepEqual(snapshots, ['org']);
    replica.snapshotFailed('org');
    replica.renew();
    replica.receive(grant(3n, [['org', 4n]]));
    assert.deepEqual(snapshots, ['org', 'org']);
    assert.equal(standing.isStale('org'), true);
  });

  it('re-reads an organisation of which a grant names a head it never got', () => {
    const { replica, standing, snapshots } = following();
    replica.renew();
    replica.receive(grant(2n, [['org', 3n]]));
    assert.deepEqual([standing.isStale('org'), snapshots], [true, ['org']]);
  });

  it('notices a log shorter than what it acknowledged (restored database)', () => {
    const { replica, standing, alarms } = following();
    replica.renew();
    replica.renew();
    replica.receive(grant(3n, [['org', 1n]]));
    assert.deepEqual([standing.isStale('org'), alarms], [true, ['head-behind']]);
  });

  it('does not mistake an entry that overtook a grant for a shorter log', () => {
    const { replica, standing, alarms } = following();
    replica.renew();
    replica.receive(delta(entry(3n)));
    replica.receive(grant(2n, [['org', 2n]]));
    assert.deepEqual([standing.isStale('org'), alarms], [false, []]);
  });

  it('takes no lease from heads that do not add up, and connects again', () => {
    const { replica, lease, reconnects, alarms } = bench();
    replica.hello('replica', 'boot');
    replica.renew();
    const honest = grant(1n, [['org', 0n]]);
    assert.ok(honest.message?.$case === 'grant');
    replica.receive({ message: { $case: 'grant', value: { ...honest.message.value, digest: new Uint8Array(32) } } });
    assert.deepEqual([lease.remainingMs(), reconnects.length, alarms], [0, 1, ['digest-mismatch']]);
  });

  it('takes a lease only for a renewal of this stream that is still open', () => {
    const { replica, lease } = bench();
    replica.hello('replica', 'boot');
    replica.renew();
    replica.receive(grant(7n, [['org', 0n]]));
    assert.equal(lease.remainingMs(), 0);
    replica.hello('replica', 'boot');
    replica.receive(grant(1n, [['org', 0n]]));
    assert.equal(lease.remainingMs(), 0);
  });

  it('forgets an organisation that has no head on a new stream', () => {
    const { replica, standing, steps } = following();
    replica.hello('replica', 'boot');
    replica.renew();
    replica.receive(grant(2n, [['other', 0n]]));
    assert.equal(standing.find('org', 'alice'), undefined);
    assert.deepEqual(steps.at(-1), { kind: 'forgotten', orgId: 'org' });
  });

  it('drops everything, and the lease, when the feed follows another log', () => {
    for (const arrival of ['grant', 'snapshot'] as const) {
      const { replica, standing, lease, reconnects, alarms } = following();
      replica.receive(delta(entry(4n)));
      replica.renew();
      if (arrival === 'grant') replica.receive(grant(2n, [['org', 4n]], 'another'));
      else replica.snapshotRead('org', state(4n, 'another'));
      assert.equal(standing.find('org', 'alice'), undefined, arrival);
      assert.deepEqual([lease.remainingMs(), reconnects.length, replica.logId], [0, 1, '']);
      assert.equal(alarms.at(-1), 'unknown-log');
    }
  });

  it('re-reads what the feed orders: one organisation or all', () => {
    const one = following();
    one.replica.receive({ message: { $case: 'resync', value: { orgId: 'org', reason: 'retention' } } });
    assert.deepEqual([one.standing.isStale('org'), one.snapshots], [true, ['org']]);
    const all = following();
    all.replica.receive({ message: { $case: 'resync', value: { orgId: '', reason: 'unknown log' } } });
    assert.deepEqual([all.standing.isStale('org'), all.snapshots], [true, ['org']]);
  });

  it('makes a subject with a senseless state unknown, and goes on with the others', () => {
    const { replica, standing, alarms } = following();
    const bad = [subject({ type: 0 }), subject({ subjectId: 'bob', groupIds: ['qa', 'qa'] })];
    replica.receive(delta(entry(3n, bad)));
    assert.equal(standing.find('org', 'alice'), undefined);
    assert.deepEqual(standing.find('org', 'bob')?.groupIds, ['qa']);
    assert.deepEqual([standing.position('org'), alarms], [3n, ['quarantined-subject']]);
  });

  it('re-reads an organisation after an entry that names nobody', () => {
    for (const subjectId of ['', 'x'.repeat(1024 * 1024), 'a\u0000']) {
      const { replica, standing, alarms } = following();
      replica.receive(delta(entry(3n, [subject({ subjectId })])));
      assert.deepEqual([standing.isStale('org'), alarms], [true, ['poison-entry']]);
    }
  });

  it('connects again when renewals stay without an answer, and on a message it does not know', () => {
    const silent = following();
    for (let i = 0; i < 17; i += 1) silent.replica.renew();
    assert.ok(silent.reconnects.length > 0);
    const odd = following();
    odd.replica.receive({ message: undefined });
    assert.equal(odd.reconnects.length, 1);
  });

  it('keeps a deleted subject as inactive, and the members of a group current', () => {
    const { replica, standing } = following();
    replica.receive(delta(entry(3n, [subject({ groupIds: ['qa'] })])));
    assert.deepEqual(standing.members('org', 'qa'), ['alice']);
    replica.receive(delta(entry(4n, [subject({ deleted: true, active: true, epoch: 2n })])));
    assert.equal(standing.find('org', 'alice')?.active, false);
    assert.deepEqual(standing.members('org', 'qa'), []);
  });
});
