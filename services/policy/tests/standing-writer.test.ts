import assert from 'node:assert/strict';

import { testDatabase, type TestDatabase } from '@sallyport/dev-env';
import { newId, openDatabase, type Database } from '@sallyport/storage';
import { Standing, type AppliedStep, type SubjectChange } from '@sallyport/subject-feed';
import { silentLogger } from '@sallyport/telemetry';
import fc from 'fast-check';

import { StandingWriter } from '../src/subjects/writer.ts';

const LOG_ID = 'log-1';

/** One process: what it has applied, and the copy it writes. */
class Replica {
  readonly standing = new Standing();
  readonly writer: StandingWriter;
  readonly #orgId: string;

  constructor(db: Database, orgId: string) {
    this.#orgId = orgId;
    this.writer = new StandingWriter({ db, standing: this.standing, logger: silentLogger() });
    this.writer.note({ kind: 'log', logId: LOG_ID });
  }

  apply(position: bigint, change: SubjectChange): void {
    this.standing.apply(this.#orgId, position, [change], []);
    this.writer.note({ kind: 'entry', orgId: this.#orgId, position, subjects: [change], groups: [] });
  }

  reread(): void {
    const state = this.standing.state(this.#orgId, LOG_ID);
    const step: AppliedStep = { kind: 'state', orgId: this.#orgId, state };
    this.standing.load(this.#orgId, state);
    this.writer.note(step);
  }
}

describe('the written copy of the subject log', () => {
  let database: TestDatabase;
  let db: Database;

  before(async () => {
    database = await testDatabase('policy');
    db = await openDatabase({ url: database.url, schema: 'policy', applicationName: 'test' });
  });
  after(async () => {
    await db.close();
    await database.drop();
  });

  /** What a process knows that starts from the copy and then applies the rest of the log. */
  const restarted = async (orgId: string, log: readonly SubjectChange[]): Promise<Standing> => {
    const stored = await new StandingWriter({ db, standing: new Standing(), logger: silentLogger() }).load();
    const standing = new Standing();
    for (const each of stored.organizations) standing.load(each.orgId, { ...each, logId: stored.logId });
    const from = standing.position(orgId);
    for (const [at, change] of log.entries())
      if (BigInt(at + 1) > from) standing.apply(orgId, BigInt(at + 1), [change], []);
    return standing;
  };

  /** Position and subjects, in an order of their own. */
  const known = (standing: Standing, orgId: string): unknown => {
    const { position, subjects } = standing.state(orgId, '');
    return { position, subjects: new Map(subjects.map(({ subjectId, standing: found }) => [subjectId, found])) };
  };

  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('apply' as const),
        replica: fc.nat({ max: 1 }),
        count: fc.integer({ min: 1, max: 4 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('flush' as const), replica: fc.nat({ max: 1 }), count: fc.constant(0) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('reread' as const),
        replica: fc.nat({ max: 1 }),
        count: fc.constant(0),
      }),
    },
  );

  const change: fc.Arbitrary<SubjectChange> = fc.record({
    subjectId: fc.constantFrom('alice', 'bob', '__proto__', 'o\'hara"{},\\'),
    standing: fc.record({
      type: fc.constantFrom('user' as const, 'service_account' as const),
      active: fc.boolean(),
      epoch: fc.bigInt({ min: 0n, max: 2n ** 62n }),
      groupIds: fc.uniqueArray(fc.constantFrom('g1', 'g2', '{"', 'NULL', 'a,b'), { maxLength: 3 }),
    }),
  });

  it('loses nothing and invents nothing, with two replicas writing at their own pace', async function twoReplicas() {
    this.timeout(180_000);
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 20 }),
        fc.array(step, { maxLength: 25 }),
        async (log, steps) => {
          const orgId = newId();
          const replicas = [new Replica(db, orgId), new Replica(db, orgId)] as const;
          const expected = new Standing();
          for (const [at, each] of log.entries()) expected.apply(orgId, BigInt(at + 1), [each], []);
          for (const { kind, replica: which, count } of steps) {
            const replica = replicas[which === 0 ? 0 : 1];
            if (kind === 'reread') replica.reread();
            if (kind === 'apply') {
              const from = Number(replica.standing.position(orgId));
              for (const [offset, each] of log.slice(from, from + count).entries())
                replica.apply(BigInt(from + offset + 1), each);
            }
            if (kind !== 'flush') continue;
            await replica.writer.flush();
            assert.deepEqual(known(await restarted(orgId, log), orgId), known(expected, orgId));
          }
          for (const { writer } of replicas) await writer.flush();
          assert.deepEqual(known(await restarted(orgId, log), orgId), known(expected, orgId));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is written whole when what it builds on is not there', async () => {
    const orgId = newId();
    const replica = new Replica(db, orgId);
    const alice: SubjectChange = {
      subjectId: 'alice',
      standing: { type: 'user', active: true, epoch: 1n, groupIds: [] },
    };
    replica.apply(1n, alice);
    await replica.writer.flush();
    await db.unauditedWrite(orgId, 'somebody cleans up', async (tx) => {
      for (const table of ['standing_subject', 'standing_cursor'])
        await tx.query(`DELETE FROM ${table} WHERE org_id = $1`, [orgId]);
    });
    replica.apply(2n, { ...alice, subjectId: 'bob' });
    await replica.writer.flush();
    const standing = await restarted(orgId, []);
    assert.equal(standing.position(orgId), 2n);
    assert.ok(standing.find(orgId, 'alice') !== undefined && standing.find(orgId, 'bob') !== undefined);
  });

  it('keeps a subject of whom nothing is known as one who is denied', async () => {
    const orgId = newId();
    const replica = new Replica(db, orgId);
    replica.apply(1n, { subjectId: 'alice', standing: { type: 'user', active: true, epoch: 4n, groupIds: ['g'] } });
    replica.apply(2n, { subjectId: 'alice', standing: null });
    await replica.writer.flush();
    assert.equal((await restarted(orgId, [])).find(orgId, 'alice')?.active, false);
  });

  it('forgets what is forgotten', async () => {
    const orgId = newId();
    const replica = new Replica(db, orgId);
    replica.apply(1n, { subjectId: 'alice', standing: { type: 'user', active: true, epoch: 4n, groupIds: [] } });
    await replica.writer.flush();
    replica.standing.forget(orgId);
    replica.writer.note({ kind: 'forgotten', orgId });
    await replica.writer.flush();
    const standing = await restarted(orgId, []);
    assert.deepEqual([standing.position(orgId), standing.find(orgId, 'alice')], [0n, undefined]);
  });

  it('catches up after the database was away', async () => {
    const orgId = newId();
    const failing: Database = Object.create(db, {
      unauditedWrite: { value: async () => await Promise.reject(new Error('away')), configurable: true },
    }) as Database;
    const replica = new Replica(failing, orgId);
    replica.apply(1n, { subjectId: 'alice', standing: { type: 'user', active: true, epoch: 1n, groupIds: [] } });
    await replica.writer.flush();
    assert.equal((await restarted(orgId, [])).position(orgId), 0n);
    Object.defineProperty(failing, 'unauditedWrite', { value: db.unauditedWrite.bind(db) });
    replica.apply(2n, { subjectId: 'bob', standing: { type: 'user', active: true, epoch: 1n, groupIds: [] } });
    await replica.writer.flush();
    const standing = await restarted(orgId, []);
    assert.deepEqual([standing.position(orgId), standing.find(orgId, 'alice')?.epoch], [2n, 1n]);
  });
});
