import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { newId, type Database } from '@sallyport/storage';
import { createMetrics, silentLogger, type Metrics } from '@sallyport/telemetry';
import pg from 'pg';

import { REASONS, type Decision, type Made, type Refused } from '../src/decide/index.ts';
import { DecisionLog } from '../src/decision-log/index.ts';
import { World, type Organization } from './support/world.ts';

interface Gap {
  readonly cause: string;
  readonly denials: number;
  readonly productionWrites: number;
  readonly reads: number;
}

const DECISION: Decision = {
  allowed: false,
  reason: 'NO_GRANT',
  explanation: REASONS.NO_GRANT,
  matchedGrant: null,
  matchedRole: null,
  standingPosition: 1n,
  grantsRevision: 1n,
  policyRevision: '',
  validForMs: 0,
};

describe('the decision log when things go wrong', () => {
  let world: World;
  let org: Organization;
  let admin: pg.Client;
  const opened: DecisionLog[] = [];

  before(async () => {
    world = await World.create();
    org = await world.organization();
    admin = new pg.Client({ connectionString: world.database.adminUrl });
    await admin.connect();
  });
  after(async () => {
    for (const log of opened) await log.close();
    await admin.end();
    await world.dispose();
  });

  /** A log of its own on the same database. */
  const open = (
    options: { readonly maxQueued?: number; readonly readsEvery?: number; readonly db?: Database } = {},
  ): { readonly log: DecisionLog; readonly metrics: Metrics } => {
    const { clock, keyring, db } = world.context;
    const metrics = createMetrics('policy', { processMetrics: false });
    const settings = { maxQueued: 1_000, readsEvery: 1, retentionMs: 1e12, db, ...options };
    const log = new DecisionLog({ clock, keyring, logger: silentLogger(), metrics, ...settings });
    opened.push(log);
    return { log, metrics };
  };

  const note = (
    log: DecisionLog,
    requestId: string,
    decision: Partial<Decision> = {},
    more: Partial<Made> = {},
  ): void => {
    const request: Refused = {
      orgId: org.orgId,
      subject: { type: 'user', id: newId(), epoch: 1n },
      action: 'flag:toggle',
      projectId: org.projectId,
      environmentId: org.liveId,
      asker: { kind: 'service', id: 'flags', requestId },
    };
    const moment = { monotonicMs: world.context.clock.monotonicMs(), wallMs: world.context.clock.now().getTime() };
    log.decided(request, { ...DECISION, ...decision }, { index: undefined, place: undefined, ...moment, ...more });
  };

  const ALLOWED = { allowed: true, reason: 'GRANTED' } as const;

  const written = async (requestId: string): Promise<number> => {
    const { rows } = await admin.query<{ count: string }>(
      'SELECT count(*) FROM policy.decision_log WHERE request_id = $1',
      [requestId],
    );
    return Number(rows[0]?.count);
  };

  const gaps = async (): Promise<readonly Gap[]> => {
    const { body } = await world.call('GET', '/api/policy/v1/decisions/gaps', { token: org.ownerToken });
    return (body as { items: Gap[] }).items;
  };

  const lost = async (metrics: Metrics, kind: string): Promise<string | undefined> =>
    new RegExp(`policy_decision_log_lost_total\\{.*kind="${kind}".*\\} (\\d+)`).exec(
      (await metrics.render()).body,
    )?.[1];

  it('loses nothing while the database is away, and nobody waits for it', async () => {
    const name = new URL(world.database.adminUrl).pathname.slice(1);
    const { log } = open();
    const requestId = newId();
    await admin.query(`ALTER DATABASE ${name} CONNECTION LIMIT 0`);
    try {
      await admin.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()',
        [name],
      );
      for (let count = 0; count < 20; count += 1) note(log, requestId);
      await log.flush();
      assert.equal(await written(requestId), 0);
    } finally {
      await admin.query(`ALTER DATABASE ${name} CONNECTION LIMIT -1`);
    }
    await waitFor(async () => (await written(requestId)) === 20, { timeoutMs: 30_000, message: 'entries are missing' });
  });

  it('writes what was committed without its hearing of it once', async () => {
    const { db } = world.context;
    let isDeaf = true;
    const deaf = Object.assign(Object.create(db) as Database, {
      unauditedWriteOne: async (...parameters: Parameters<Database['unauditedWriteOne']>) => {
        const value = await db.unauditedWriteOne(...parameters);
        if (isDeaf) throw new Error('the connection is gone');
        return value;
      },
    });
    const { log } = open({ db: deaf });
    const requestId = newId();
    for (let count = 0; count < 5; count += 1) note(log, requestId);
    await log.flush();
    assert.equal(await written(requestId), 5);
    isDeaf = false;
    await log.flush();
    assert.equal(await written(requestId), 5);
  });

  it('counts what finds no room, by kind, in a gap everybody who reads the log can see', async () => {
    const { log, metrics } = open({ maxQueued: 10 });
    const requestId = newId();
    for (let count = 0; count < 25; count += 1) note(log, requestId);
    for (let count = 0; count < 3; count += 1) note(log, requestId, ALLOWED, { place: 'production' });
    await log.flush();
    assert.equal(await written(requestId), 10);
    const [gap] = await gaps();
    assert.deepEqual([gap?.cause, gap?.denials, gap?.productionWrites, gap?.reads], ['overload', 15, 3, 0]);
    assert.deepEqual([await lost(metrics, 'denials'), await lost(metrics, 'productionWrites')], ['15', '3']);
    note(log, requestId);
    await log.flush();
    assert.equal(await written(requestId), 11, 'there is room again');
    assert.equal((await gaps()).length, 1, 'one gap is one record');
  });

  it('does not give up a denial for the sake of reads', async () => {
    const { log } = open({ maxQueued: 10, readsEvery: 2 });
    const [reads, denied] = [newId(), newId()];
    for (let count = 0; count < 100; count += 1) note(log, reads, ALLOWED);
    note(log, denied);
    await log.flush();
    assert.deepEqual([await written(reads), await written(denied)], [10, 1]);
  });

  it('an entry the database will not have does not keep the others, and is counted', async () => {
    const before = (await gaps()).length;
    const { log } = open();
    const requestId = newId();
    for (let count = 0; count < 9; count += 1) note(log, requestId);
    // A latency that is no number of the column.
    note(log, requestId, {}, { monotonicMs: -1e12 });
    for (let count = 0; count < 9; count += 1) note(log, requestId);
    await log.flush();
    assert.equal(await written(requestId), 18);
    await log.flush();
    const [gap, ...others] = await gaps();
    assert.equal(others.length, before);
    assert.deepEqual([gap?.cause, gap?.denials], ['unwritable', 1]);
  });

  it('writes what is left when the process stops, and says goodbye', async () => {
    const { log } = open();
    await log.beat();
    const requestId = newId();
    for (let count = 0; count < 50; count += 1) note(log, requestId);
    const count = async (): Promise<number> =>
      (await admin.query('SELECT 1 FROM policy.decision_log_writer')).rowCount ?? 0;
    const writers = await count();
    await log.close();
    assert.equal(await written(requestId), 50);
    assert.equal(await count(), writers - 1);
  });

  it('notes a gap, once, for every organisation when a process ends without a word', async () => {
    const rival = await world.organization();
    const before = (await gaps()).length;
    await admin.query(`INSERT INTO policy.decision_log_writer VALUES ($1, now() - interval '59 seconds')`, [newId()]);
    await world.context.decisionLog.beat();
    assert.equal((await gaps()).length, before, 'it may only be slow');
    await admin.query(`UPDATE policy.decision_log_writer SET seen_at = seen_at - interval '2 seconds'
      WHERE seen_at < now() - interval '30 seconds'`);
    await world.context.decisionLog.beat();
    await world.context.decisionLog.beat();
    const found = await gaps();
    assert.equal(found.length, before + 1);
    assert.equal(found[0]?.cause, 'process-ended');
    const { body } = await world.call('GET', '/api/policy/v1/decisions/gaps', { token: rival.ownerToken });
    assert.deepEqual(
      (body as { items: Gap[] }).items.map(({ cause }) => cause),
      ['process-ended'],
    );
  });

  it('writes a batch when no other one is being written: positions are in the order of the commits', async () => {
    const { log } = open();
    const requestId = newId();
    note(log, requestId);
    await admin.query('SELECT pg_advisory_lock(725593018)');
    const flushed = log.flush();
    const isWaiting = async (): Promise<boolean> =>
      ((await admin.query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`)).rowCount ?? 0) > 0;
    await waitFor(isWaiting, { message: 'the batch does not wait' });
    assert.equal(await written(requestId), 0);
    await admin.query('SELECT pg_advisory_unlock(725593018)');
    await flushed;
    assert.equal(await written(requestId), 1);
  });

  it('hands out positions in the order in which batches are committed, whoever writes them', async () => {
    const logs = [open().log, open().log, open().log];
    const seen: bigint[] = [];
    const state = { isDone: false };
    const read = async (): Promise<void> => {
      while (!state.isDone) {
        const { rows } = await admin.query<{ position: string }>(
          'SELECT position FROM policy.decision_log WHERE org_id = $1 AND position > $2 ORDER BY position',
          [org.orgId, String(seen.at(-1) ?? 0n)],
        );
        seen.push(...rows.map(({ position }) => BigInt(position)));
      }
    };
    const reading = read();
    const write = async (log: DecisionLog): Promise<void> => {
      for (let batch = 0; batch < 20; batch += 1) {
        for (let count = 0; count < 7; count += 1) note(log, newId());
        await log.flush();
      }
    };
    await Promise.all(logs.map(write));
    state.isDone = true;
    await reading;
    const { rows } = await admin.query<{ count: string }>(
      'SELECT count(*) FROM policy.decision_log WHERE org_id = $1 AND position <= $2',
      [org.orgId, String(seen.at(-1) ?? 0n)],
    );
    assert.equal(String(seen.length), rows[0]?.count, 'a reader that only goes forward missed something');
  });
});
