import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { isInsufficientPrivilege, newId, systemClock } from '@sallyport/storage';
import pg from 'pg';

import { lockOrganization, readOrganizations } from '../src/grants/store.ts';
import { BRIEF_LEASES } from './support/brief-leases.ts';
import { World, type Organization } from './support/world.ts';

const TTL_MS = 600;

describe('knowledge of grants', () => {
  let world: World;
  let org: Organization;
  let admin: pg.Client;

  beforeEach(async () => {
    world = await World.create(BRIEF_LEASES);
    org = await world.organization();
    admin = new pg.Client({ connectionString: world.database.adminUrl });
    await admin.connect();
  });
  afterEach(async () => {
    await admin.end();
    await world.dispose();
  });

  const reason = async (organization = org): Promise<string> => {
    const { orgId, ownerId: subjectId } = organization;
    return (await world.check({ orgId, subjectId, action: 'organization:read' })).reason;
  };

  const eventually = async (expected: string): Promise<void> => {
    await waitFor(async () => (await reason()) === expected, { message: expected });
  };

  const insert = async (fields: Readonly<Record<string, string | null>>): Promise<void> => {
    const row = {
      org_id: org.orgId,
      grant_id: newId(),
      subject_type: 'user',
      subject_id: org.ownerId,
      role_key: 'viewer',
      effect: 'allow',
      source: 'direct',
      created_at: '2026-01-01',
      created_by: 'test',
      revision: '1',
      ...fields,
    };
    const names = Object.keys(row);
    const places = names.map((_, at) => `$${String(at + 1)}`);
    await admin.query(`INSERT INTO policy.role_grant (${names.join()}) VALUES (${places.join()})`, Object.values(row));
    await admin.query('UPDATE policy.grants_head SET revision = revision + 1 WHERE org_id = $1', [org.orgId]);
  };

  it('follows what another replica writes, also when no wake-up arrives', async () => {
    const id = newId();
    await world.user(org.orgId, id, 'user');
    await insert({ subject_id: id, role_key: 'owner' });
    const question = { orgId: org.orgId, subjectId: id, action: 'organization:read' };
    await waitFor(async () => (await world.check(question)).reason === 'GRANTED', {
      timeoutMs: TTL_MS,
      message: 'unseen',
    });
    await admin.query('DELETE FROM policy.role_grant WHERE subject_id = $1', [id]);
    await admin.query('UPDATE policy.grants_head SET revision = revision + 1 WHERE org_id = $1', [org.orgId]);
    await waitFor(async () => (await world.check(question)).reason === 'NO_GRANT', {
      timeoutMs: TTL_MS,
      message: 'unseen',
    });
  });

  it('denies within the ttl when the database cannot be read, and decides again when it can', async () => {
    const name = new URL(world.database.adminUrl).pathname.slice(1);
    await admin.query(`ALTER DATABASE ${name} CONNECTION LIMIT 0`);
    await admin.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()',
      [name],
    );
    const cutAtMs = systemClock.monotonicMs();
    for (let last = ''; last !== 'GRANTS_STALE';) {
      const askedAtMs = systemClock.monotonicMs();
      last = await reason();
      if (last === 'GRANTED') assert.ok(askedAtMs - cutAtMs <= TTL_MS, 'an allow asked for later than the ttl');
    }
    await admin.query(`ALTER DATABASE ${name} CONNECTION LIMIT -1`);
    await eventually('GRANTED');
  });

  it('decides for others while an organisation is loaded, however long that takes', async () => {
    const other = await world.organization();
    await world.context.knowledge.ensure(other.orgId);
    // Loads look at the rules that separate roles, other reads do not.
    await admin.query('BEGIN');
    await admin.query('LOCK TABLE policy.separation_rule');
    const loaded = world.context.knowledge.ensure(org.orgId);
    // Every lease that was had before is over.
    const overMs = systemClock.monotonicMs() + 2 * TTL_MS;
    await waitFor(() => systemClock.monotonicMs() > overMs, { message: 'time stands still' });
    await waitFor(async () => (await reason(other)) === 'GRANTED', { timeoutMs: 3_000, message: 'held up' });
    assert.equal(world.context.knowledge.forMs(org.orgId), 0);
    await admin.query('ROLLBACK');
    await loaded;
    await eventually('GRANTED');
  });

  it('loads in parts what is there as a whole', async () => {
    const other = await world.organization();
    await admin.query(
      `INSERT INTO policy.role_grant (org_id, grant_id, subject_type, subject_id, role_key, effect, source, created_at,
                                      created_by, revision)
       SELECT $1, gen_random_uuid(), 'user', gen_random_uuid(), 'viewer', 'allow', 'direct', now(), 'test', 1
         FROM generate_series(1, 1700)`,
      [org.orgId],
    );
    const { db } = world.context;
    const orgIds = [org.orgId, other.orgId];
    const parts = await db.readAcrossOrganizations('test', async (tx) => await readOrganizations(tx, orgIds));
    assert.equal(parts.length, 2);
    for (const orgId of orgIds) {
      const whole = await db.unauditedWrite(orgId, 'test', async (tx) => await lockOrganization(tx, orgId));
      assert.ok((whole?.grants.length ?? 0) >= 1);
      assert.deepEqual(
        parts.find((each) => each.orgId === orgId),
        whole,
      );
    }
  });

  it('leaves out a grant that makes no sense, and everything else stays in force', async () => {
    await world.context.knowledge.ensure(org.orgId);
    await insert({ role_key: 'role-of-a-future-version' });
    await waitFor(() => world.context.knowledge.organization(org.orgId)?.quarantined.length === 1, {
      message: 'nothing was quarantined',
    });
    assert.equal(await reason(), 'GRANTED');
  });

  it('denies an organisation whose denial makes no sense, and no other, until it is repaired', async () => {
    const other = await world.organization();
    await insert({ role_key: 'role-of-a-future-version', effect: 'deny' });
    await eventually('GRANTS_STALE');
    assert.equal(await reason(other), 'GRANTED');
    const change = { subject: { type: 'user', id: org.ownerId }, role: 'viewer' };
    assert.equal(
      (await world.call('POST', '/api/policy/v1/grants', { token: org.ownerToken, body: change })).status,
      403,
    );
    await admin.query(`DELETE FROM policy.role_grant WHERE role_key = 'role-of-a-future-version'`);
    await admin.query('UPDATE policy.grants_head SET revision = revision + 1 WHERE org_id = $1', [org.orgId]);
    await eventually('GRANTED');
  });

  it('survives what no constraint lets through today', async () => {
    await admin.query('ALTER TABLE policy.role_grant DROP CONSTRAINT role_grant_effect_check');
    await admin.query('ALTER TABLE policy.role_grant DROP CONSTRAINT role_grant_subject_type_check');
    await admin.query('ALTER TABLE policy.role_grant ALTER COLUMN role_key DROP NOT NULL');
    await world.context.knowledge.ensure(org.orgId);
    await insert({ subject_type: '' });
    await insert({ role_key: null });
    await insert({ role_key: 'x'.repeat(2_000), subject_id: newId() });
    await insert({ valid_until: 'infinity', subject_id: newId() });
    await waitFor(() => (world.context.knowledge.organization(org.orgId)?.quarantined.length ?? 0) >= 3, {
      message: 'nothing was quarantined',
    });
    assert.equal(await reason(), 'GRANTED');
    await insert({ effect: '' });
    await eventually('GRANTS_STALE');
  });

  it('keeps organisations apart beneath the code (row-level security)', async () => {
    const other = await world.organization();
    await world.grant(other, { subject: { type: 'user', id: other.ownerId }, role: 'viewer' }).catch(() => undefined);
    const { rows } = await admin.query<{ table_name: string }>(
      `SELECT table_name FROM information_schema.columns WHERE table_schema = 'policy' AND column_name = 'org_id'`,
    );
    assert.ok(rows.length >= 10);
    for (const { table_name: table } of rows) {
      const found = await world.context.db.read(
        org.orgId,
        async (tx) =>
          await tx.query<{ count: string }>(`SELECT count(*) FROM ${table} WHERE org_id = '${other.orgId}'`),
      );
      assert.equal(found[0]?.count, '0', table);
      const { rows: secured } = await admin.query<{ forced: boolean }>(
        `SELECT relrowsecurity AND relforcerowsecurity AS forced FROM pg_class WHERE oid = 'policy.${table}'::regclass`,
      );
      assert.equal(secured[0]?.forced, true, table);
    }
  });

  it('never rewrites a grant, a revision or an audit entry, whatever the service tries', async () => {
    for (const statement of [
      `UPDATE role_grant SET role_key = 'owner'`,
      `UPDATE audit_entry SET action = 'x'`,
      'DELETE FROM audit_entry',
      'DELETE FROM organization',
      'DELETE FROM grants_head',
      `UPDATE decision_token SET name = 'x'`,
    ]) {
      const attempt = world.context.db.unauditedWrite(org.orgId, 'an attempt', async (tx) => await tx.query(statement));
      await assert.rejects(attempt, isInsufficientPrivilege, statement);
    }
    const back = world.context.db.unauditedWrite(
      org.orgId,
      'an attempt',
      async (tx) => await tx.query('UPDATE grants_head SET revision = revision - 1'),
    );
    await assert.rejects(back, /only moves forward/);
  });
});
