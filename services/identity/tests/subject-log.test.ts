import assert from 'node:assert/strict';

import type { AuditedTx } from '@sallyport/audit';
import { waitFor } from '@sallyport/dev-env';
import { isAppError } from '@sallyport/errors';
import { newId } from '@sallyport/storage';
import pg from 'pg';

import { createAccount } from '../src/accounts/index.ts';
import { serverWaitMs } from '../src/subject-log/barrier.ts';
import { readHeads } from '../src/subject-log/store.ts';
import { feedClient, Follower, type FeedClient } from './support/follower.ts';
import { newDirectory, patchOf } from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity, type TestOrganization } from './support/identity.ts';

const LEASE_TTL_MS = 1_000;
const W_MS = serverWaitMs(LEASE_TTL_MS);

describe('subject log', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let client: FeedClient;
  const followers: Follower[] = [];

  before(async () => {
    identity = await startIdentity({ leaseTtlMs: LEASE_TTL_MS });
    organization = await newOrganization(identity);
    client = await feedClient(identity);
  });
  after(async () => {
    client.close();
    await identity.close();
  });
  afterEach(async () => {
    await Promise.all(followers.splice(0).map((follower) => follower.close()));
  });

  const follow = (id?: string): Follower => {
    const follower = new Follower(client, id);
    followers.push(follower);
    return follower;
  };

  const headOf = async (orgId: string): Promise<bigint> =>
    (await identity.context.db.readAcrossOrganizations('test', readHeads)).heads.get(orgId) ?? 0n;

  const contextOf = (orgId: string) => ({ orgId, actor: { type: 'system', id: 'test' } as const, requestId: 'test' });
  const service = (orgId: string, work: (tx: AuditedTx) => Promise<void> = () => Promise.resolve()) =>
    identity.context.audit.mutate(contextOf(orgId), async (tx) => {
      const account = await createAccount(tx, identity.context, {
        kind: 'service_account',
        connectionId: null,
        externalId: null,
        userName: newId(),
        profile: {},
      });
      await work(tx);
      return account.id;
    });

  describe('positions (revocation.md §4)', () => {
    it('are gap-free and in commit order, however writers overlap, finish out of order or roll back; a follower misses nothing', async function () {
      this.timeout(180_000);
      const { orgId } = await newOrganization(identity);
      const follower = follow('overlap');
      const start = await headOf(orgId);
      const attempts = Array.from({ length: 120 }, (_, number) => {
        // Writers hold their transaction open for unequal turns before they reach the head, every fifth gives up.
        const turns = (number * 7) % 13;
        return service(orgId, async (tx) => {
          for (let turn = 0; turn < turns; turn += 1) await tx.query('SELECT 1');
          if (number % 5 === 0) throw new TypeError('gives up');
        }).then(
          ({ value }) => value,
          () => undefined,
        );
      });
      const created = (await Promise.all(attempts)).filter((id) => id !== undefined);
      assert.equal(created.length, 96);
      const head = await headOf(orgId);
      assert.equal(head, start + 96n, 'a rollback gives its number back');
      await waitFor(() => follower.applied.get(orgId) === head, { message: 'the follower has everything' });
      const told = follower.of(orgId);
      assert.deepEqual(
        told.map(({ position }) => position),
        Array.from({ length: Number(head) }, (_, index) => BigInt(index) + 1n),
      );
      assert.deepEqual(
        new Set(told.slice(Number(start)).map(({ subjects }) => subjects[0]?.subjectId)),
        new Set(created),
      );
      assert.deepEqual(follower.resyncs, []);
    });

    it('a transaction that took its position late is not skipped while an earlier one is still open', async () => {
      const { orgId } = await newOrganization(identity);
      const follower = follow('late');
      await waitFor(() => follower.applied.get(orgId) === 1n);
      const gate = Promise.withResolvers<void>();
      const slow = service(orgId, () => gate.promise);
      await service(orgId);
      await waitFor(() => follower.applied.get(orgId) === 2n);
      gate.resolve();
      const { value } = await slow;
      await waitFor(() => follower.applied.get(orgId) === 3n);
      assert.equal(follower.of(orgId)[2]?.subjects[0]?.subjectId, value);
    });

    it('an entry carries the state at its position, whoever else is writing', async () => {
      const { orgId, scim } = await newDirectory(identity, organization, newId());
      const user = await scim('POST', '/Users', { userName: `${newId()}@example.com` });
      const groups = await Promise.all(
        Array.from({ length: 8 }, async () => (await scim('POST', '/Groups', { displayName: newId() })).body.id),
      );
      await Promise.all(
        groups.map((id) =>
          scim('PATCH', `/Groups/${id}`, patchOf({ op: 'add', path: 'members', value: [{ value: user.body.id }] })),
        ),
      );
      const entries = await identity.admin<{ groups: string[] }>(
        `SELECT s -> 'groupIds' AS groups FROM identity.subject_log, jsonb_array_elements(subjects) s
          WHERE org_id = $1 AND s ->> 'subjectId' = $2 ORDER BY position`,
        [orgId, user.body.id],
      );
      assert.deepEqual(
        entries.map((entry) => entry.groups.length),
        [0, 1, 2, 3, 4, 5, 6, 7, 8],
      );
      assert.deepEqual(new Set(entries.at(-1)?.groups), new Set(groups));
    });

    it('the service can neither change nor delete an entry, nor move a head back', async () => {
      const own = new pg.Client({ connectionString: identity.database.url, options: '-c search_path=identity,public' });
      await own.connect();
      try {
        await own.query("SET sallyport.all_orgs = 'on'");
        for (const sql of [
          "UPDATE subject_log SET cause = 'x'",
          'DELETE FROM subject_log',
          'TRUNCATE subject_log',
          'DELETE FROM subject_log_head',
        ])
          await assert.rejects(own.query(sql), /permission denied/, sql);
        await assert.rejects(own.query('UPDATE subject_log_head SET position = position - 1'), /only moves forward/);
      } finally {
        await own.end();
      }
      for (const sql of [
        "UPDATE identity.subject_log SET cause = 'x'",
        'DELETE FROM identity.subject_log',
        'TRUNCATE identity.subject_log',
      ])
        await assert.rejects(identity.admin(sql), /append-only/, sql);
    });

    it('many subjects become several entries of at most 500', async () => {
      const { orgId, scim } = await newDirectory(identity, await newOrganization(identity), 'Large');
      const { connectionId } = (
        await identity.admin<{ connectionId: string }>(
          'SELECT id AS "connectionId" FROM identity.connection WHERE org_id = $1',
          [orgId],
        )
      )[0] ?? { connectionId: '' };
      await identity.admin(
        `INSERT INTO identity.account (org_id, id, kind, status, connection_id, user_name, user_name_key, created_at, updated_at)
         SELECT $1, gen_random_uuid(), 'user', 'active', $2, 'u' || n, 'u' || n, now(), now() FROM generate_series(1, 1100) n`,
        [orgId, connectionId],
      );
      const ids = await identity.admin<{ value: string }>(
        'SELECT id AS value FROM identity.account WHERE connection_id = $1',
        [connectionId],
      );
      const before = await headOf(orgId);
      const group = await scim('POST', '/Groups', { displayName: 'Everybody', members: ids });
      assert.equal(group.status, 201);
      assert.equal(group.body.members.length, 1_100);
      assert.equal(await headOf(orgId), before + 3n);
      const entries = await identity.admin<{ count: number }>(
        'SELECT jsonb_array_length(subjects) AS count FROM identity.subject_log WHERE org_id = $1 AND position > $2 ORDER BY position',
        [orgId, before],
      );
      assert.deepEqual(
        entries.map(({ count }) => count),
        [500, 500, 100],
      );
    });
  });

  describe('Follow and Snapshot over gRPC (revocation.md §6)', () => {
    it('grants leases whose heads have all been delivered', async () => {
      const follower = follow('grants');
      await waitFor(() => follower.grants.length >= 3);
      for (const { heads, ttlMs } of follower.grants) {
        assert.equal(ttlMs, LEASE_TTL_MS);
        for (const { orgId, position } of heads) assert.ok((follower.applied.get(orgId) ?? 0n) >= position);
      }
    });

    it('a change reaches a follower without waiting for its next Renew', async () => {
      const { orgId } = await newOrganization(identity);
      const follower = follow('push');
      await waitFor(() => follower.applied.get(orgId) === 1n);
      await follower.fallSilent();
      await service(orgId);
      await waitFor(() => follower.applied.get(orgId) === 2n);
    });

    it('takes a snapshot of everything at one position', async () => {
      const { orgId, scim } = await newDirectory(identity, await newOrganization(identity), 'Snapshot');
      const kept = await scim('POST', '/Users', { userName: `${newId()}@example.com` });
      const gone = await scim('POST', '/Users', { userName: `${newId()}@example.com` });
      const group = await scim('POST', '/Groups', { displayName: 'Snapshot', members: [{ value: kept.body.id }] });
      await scim('DELETE', `/Users/${gone.body.id}`);
      const head = await headOf(orgId);
      const subjects = [];
      const groups = [];
      for await (const page of client.serverStream('snapshot', { orgId })) {
        assert.equal(page.position, head);
        assert.equal(page.logId, identity.context.feed.logId);
        subjects.push(...page.subjects);
        groups.push(...page.groups);
      }
      const bySubject = new Map(subjects.map((subject) => [subject.subjectId, subject]));
      assert.equal(subjects.length, 3);
      assert.deepEqual(bySubject.get(kept.body.id)?.groupIds, [group.body.id]);
      assert.deepEqual([bySubject.get(gone.body.id)?.deleted, bySubject.get(gone.body.id)?.active], [true, false]);
      assert.deepEqual(groups, [{ groupId: group.body.id, displayName: 'Snapshot', deleted: false }]);
    });

    it('answers NOT_FOUND for an organisation that is not there', async () => {
      for (const orgId of [newId(), 'nonsense', ''])
        await assert.rejects(
          async () => {
            for await (const _page of client.serverStream('snapshot', { orgId })) assert.fail();
          },
          (error) => isAppError(error) && error.code === 'NOT_FOUND',
        );
    });

    it('refuses services that are not named, and streams that do not begin with Hello', async () => {
      const stranger = await feedClient(identity, 'operator');
      await assert.rejects(
        async () => {
          for await (const _page of stranger.serverStream('snapshot', { orgId: organization.orgId })) assert.fail();
        },
        (error) => isAppError(error) && error.code === 'PERMISSION_DENIED',
      );
      stranger.close();
      const stream = client.bidi('follow');
      stream.offer({ message: { $case: 'renew', value: { nonce: 1n, applied: [] } } });
      const failure = await stream.closed;
      assert.equal(failure?.code, 'INVALID_REQUEST');
    });
  });

  describe('RevokeAndWait (revocation.md §8)', () => {
    const timed = async (work: () => Promise<unknown>): Promise<number> => {
      const startedMs = performance.now();
      await work();
      return performance.now() - startedMs;
    };

    const deactivation = async () => {
      const { orgId, scim } = await newDirectory(identity, organization, newId());
      const { body } = await scim('POST', '/Users', { userName: `${newId()}@example.com` });
      const deactivate = () => scim('PATCH', `/Users/${body.id}`, patchOf({ op: 'replace', value: { active: false } }));
      const receipt = async () => {
        const [record] = await identity.context.audit.list(orgId, {
          limit: 1,
          action: 'account.deactivation-effective',
          targetId: body.id,
        });
        return record?.entry['after'] as
          | { by: string; replicas: { id: string; ackedMs?: number; expired?: boolean }[] }
          | undefined;
      };
      return { orgId, subjectId: body.id, deactivate, receipt };
    };

    it('answers a deactivation when the follower has applied it, and says so in the receipt', async () => {
      const follower = follow('healthy');
      await waitFor(() => follower.grants.length > 0);
      const { orgId, subjectId, deactivate, receipt } = await deactivation();
      const answered = await deactivate();
      assert.equal(answered.status, 200);
      const known = follower
        .of(orgId)
        .flatMap(({ subjects }) => subjects)
        .filter((subject) => subject.subjectId === subjectId);
      assert.equal(known.at(-1)?.active, false, 'it knew before the IdP had its answer');
      const written = await receipt();
      assert.equal(written?.by, 'acknowledged');
      const replica = written.replicas.find(({ id }) => id === 'healthy');
      assert.ok(replica?.ackedMs !== undefined && replica.ackedMs < W_MS);
    });

    it('waits for the lease of a follower that fell silent, at most W, and says so', async () => {
      const follower = follow('silent');
      await waitFor(() => follower.grants.length > 0);
      const { deactivate, receipt } = await deactivation();
      follower.renew();
      await waitFor(() => follower.grants.length > 3);
      follower.isMute = true;
      const elapsedMs = await timed(deactivate);
      assert.ok(elapsedMs > W_MS / 2, `${String(elapsedMs)} ms`);
      const written = await receipt();
      assert.equal(written?.by, 'waited');
      assert.equal(written.replicas.find(({ id }) => id === 'silent')?.expired, true);
    });

    it('waits as long for a request that finds the account closed already by one that still waits', async () => {
      const follower = follow('repeat');
      await waitFor(() => follower.grants.length > 0);
      const { deactivate } = await deactivation();
      follower.isMute = true;
      const [first, second] = await Promise.all([timed(deactivate), timed(deactivate)]);
      assert.ok(Math.min(first, second) > W_MS / 3, `${String(first)} and ${String(second)} ms`);
    });

    it('waits out W while another process may have granted leases: after a restart, and beside a second one', async () => {
      const { deactivate, receipt, orgId } = await deactivation();
      const second = await startIdentity({ leaseTtlMs: LEASE_TTL_MS, database: identity.database });
      try {
        const elapsedMs = await timed(deactivate);
        assert.ok(elapsedMs >= W_MS, `${String(elapsedMs)} ms`);
        assert.equal((await receipt())?.by, 'waited');
        // The second process has just met the first: it cannot know its leases either.
        const settlement = await second.context.feed.barrier.settle(orgId, 1n);
        assert.equal(settlement.by, 'waited');
      } finally {
        await second.close();
      }
    });

    it('writes later the receipt that a process which died did not write', async () => {
      const { orgId } = organization;
      const [account] = [(await service(orgId)).value];
      await identity.admin(
        `INSERT INTO identity.pending_receipt (org_id, position, cause, subjects, voided, request_id, audit_receipts, committed_at)
         VALUES ($1, 1000000, 'scim.deactivated', jsonb_build_array(jsonb_build_object('subjectId', $2::text, 'epoch', '2')), '{}',
                 'died', '{}', now() - interval '1 hour')`,
        [orgId, account],
      );
      const second = await startIdentity({ leaseTtlMs: LEASE_TTL_MS, database: identity.database });
      try {
        const records = await waitFor(async () => {
          const found = await identity.context.audit.list(orgId, {
            limit: 1,
            action: 'account.deactivation-effective',
            targetId: account,
          });
          return found.length > 0 ? found : undefined;
        });
        assert.deepEqual(records[0]?.entry['actor'], { type: 'system', id: 'identity' });
      } finally {
        await second.close();
      }
      assert.deepEqual(await identity.admin('SELECT 1 FROM identity.pending_receipt WHERE position = 1000000'), []);
    });
  });
});
