import assert from 'node:assert/strict';

import type { AuditContext } from '@sallyport/audit';
import { isAppError } from '@sallyport/errors';
import { newId } from '@sallyport/storage';

import {
  awaitEffective,
  closeAccess,
  closeSession,
  createAccount,
  openAccess,
  type CloseRequest,
  type CredentialVoiders,
} from '../src/accounts/index.ts';
import { apiClient, newDirectory, patchOf } from './support/http.ts';
import {
  newOrganization,
  rememberingVoiders,
  startIdentity,
  type TestIdentity,
  type TestOrganization,
} from './support/identity.ts';

type Kind = keyof CredentialVoiders;

describe('the one door', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let audit: AuditContext;
  const remembering = rememberingVoiders();
  let failing: Kind | undefined;

  const failable =
    (kind: Kind): CredentialVoiders[Kind] =>
    async (tx, request) => {
      if (failing === kind) throw new TypeError(`${kind} cannot be voided`);
      return await remembering.credentialVoiders[kind](tx, request);
    };

  before(async () => {
    identity = await startIdentity({
      credentialVoiders: {
        sessions: failable('sessions'),
        apiTokens: failable('apiTokens'),
        providerArtifacts: failable('providerArtifacts'),
      },
    });
    organization = await newOrganization(identity);
    audit = { orgId: organization.orgId, actor: { type: 'system', id: 'test' }, requestId: 'door' };
  });
  after(() => identity.close());
  beforeEach(() => {
    failing = undefined;
    remembering.requests.length = 0;
  });

  const newAccount = async (): Promise<string> => {
    const { value } = await identity.context.audit.mutate(audit, (tx) =>
      createAccount(tx, identity.context, {
        kind: 'user',
        connectionId: null,
        externalId: null,
        userName: `${newId()}@example.com`,
        profile: {},
      }),
    );
    return value.id;
  };

  const close = async (accountIds: readonly string[], by: CloseRequest['by'] = 'directory') =>
    (
      await identity.context.audit.mutate(audit, (tx) =>
        closeAccess(tx, identity.context, { accountIds, by, cause: 'test.closed' }),
      )
    ).value;

  const rowOf = async (id: string) =>
    (
      await identity.admin(
        'SELECT status, epoch, directory_active, admin_hold, connection_hold FROM identity.account WHERE id = $1',
        [id],
      )
    )[0];

  /** Everything the door touches, to compare before and after. */
  const footprint = async (): Promise<unknown> =>
    await identity.admin(
      `SELECT (SELECT jsonb_agg(a ORDER BY a.id) FROM identity.account a WHERE a.org_id = $1) AS accounts,
              (SELECT size FROM identity.audit_head WHERE org_id = $1) AS audit,
              (SELECT position FROM identity.subject_log_head WHERE org_id = $1) AS head,
              (SELECT count(*) FROM identity.subject_log WHERE org_id = $1) AS entries,
              (SELECT count(*) FROM identity.pending_receipt WHERE org_id = $1) AS receipts`,
      [organization.orgId],
    );

  it('raises the epoch, voids every kind of credential, records before and after, and tells the log', async () => {
    const id = await newAccount();
    const closed = await close([id]);
    assert.deepEqual(closed.subjects, [{ subjectId: id, epoch: 2n }]);
    assert.deepEqual(await rowOf(id), {
      status: 'inactive',
      epoch: '2',
      directory_active: false,
      admin_hold: false,
      connection_hold: false,
    });
    assert.deepEqual(
      remembering.requests,
      (['sessions', 'apiTokens', 'providerArtifacts'] as const).map((kind) => ({
        kind,
        subjectIds: [id],
        scope: 'account',
        cause: 'test.closed',
      })),
    );
    const [record] = await identity.context.audit.list(organization.orgId, {
      limit: 1,
      action: 'account.deactivated',
      targetId: id,
    });
    assert.deepEqual(record?.entry['before'], {
      status: 'active',
      epoch: '1',
      directoryActive: true,
      adminHold: false,
      connectionHold: false,
    });
    const [entry] = await identity.admin<{ position: string; cause: string; subjects: unknown }>(
      'SELECT position, cause, subjects FROM identity.subject_log WHERE org_id = $1 ORDER BY position DESC LIMIT 1',
      [organization.orgId],
    );
    assert.equal(BigInt(entry?.position ?? 0), closed.position());
    assert.deepEqual(entry?.subjects, [
      { type: 'user', epoch: '2', active: false, deleted: false, groupIds: [], subjectId: id, removedEpoch: '0' },
    ]);
  });

  it('leaves nothing behind when any step fails', async () => {
    const id = await newAccount();
    const before = await footprint();
    const { context } = identity;
    const attempts: [string, () => Promise<unknown>][] = [
      ...(['sessions', 'apiTokens', 'providerArtifacts'] as const).map((kind): [string, () => Promise<unknown>] => [
        kind,
        async () => {
          failing = kind;
          await close([id]);
        },
      ]),
      [
        'the caller, after the door',
        () =>
          context.audit.mutate(audit, async (tx) => {
            await closeAccess(tx, context, { accountIds: [id], by: 'directory', cause: 'test' });
            throw new TypeError('after');
          }),
      ],
      [
        'the audit entry',
        () =>
          context.audit.mutate(audit, async (tx) => {
            await closeAccess(tx, context, { accountIds: [id], by: 'directory', cause: 'test' });
            tx.record({ action: 'not.finite', target: { type: 'x', id: 'x' }, after: { value: Number.NaN } });
          }),
      ],
      [
        'what follows the subject log',
        () =>
          context.audit.mutate(audit, async (tx) => {
            await closeAccess(tx, context, { accountIds: [id], by: 'directory', cause: 'test' });
            tx.last(() => Promise.reject(new TypeError('last')));
          }),
      ],
      ['an account that is not there', () => close([id, newId()])],
    ];
    for (const [name, attempt] of attempts) {
      await assert.rejects(attempt, name);
      failing = undefined;
      assert.deepEqual(await footprint(), before, name);
    }
  });

  it('leaves nothing behind when a table cannot be written', async () => {
    const id = await newAccount();
    const before = await footprint();
    for (const table of ['subject_log', 'subject_log_head', 'pending_receipt', 'audit_entry', 'account']) {
      const event = table.endsWith('head') || table === 'account' ? 'UPDATE' : 'INSERT';
      await identity.admin(
        `CREATE FUNCTION identity.poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$`,
      );
      await identity.admin(
        `CREATE TRIGGER zz_poison BEFORE ${event} ON identity.${table} FOR EACH ROW EXECUTE FUNCTION identity.poison()`,
      );
      await assert.rejects(close([id]), /disk full/, table);
      await identity.admin('DROP FUNCTION identity.poison() CASCADE');
      assert.deepEqual(await footprint(), before, table);
    }
    assert.equal((await close([id])).subjects.length, 1);
  });

  it('is idempotent: closing what is closed changes nothing', async () => {
    const id = await newAccount();
    await close([id]);
    const before = await footprint();
    const again = await close([id]);
    assert.deepEqual(again.subjects, []);
    assert.equal(again.position(), undefined);
    assert.deepEqual(await footprint(), before);
  });

  it('each closes for itself: only who closed can open, and all must be open', async () => {
    const id = await newAccount();
    const open = (by: 'directory' | 'admin' | 'connection') =>
      identity.context.audit.mutate(audit, (tx) =>
        openAccess(tx, identity.context, { accountIds: [id], by, cause: 'test' }),
      );
    await close([id], 'directory');
    await close([id], 'admin');
    await close([id], 'connection');
    await open('directory');
    await open('admin');
    assert.equal((await rowOf(id))?.['status'], 'inactive');
    await open('connection');
    assert.deepEqual(await rowOf(id), {
      status: 'active',
      epoch: '4',
      directory_active: true,
      admin_hold: false,
      connection_hold: false,
    });
  });

  it('reactivation never lowers the epoch, and the database refuses whoever tries', async () => {
    const id = await newAccount();
    await close([id]);
    await identity.context.audit.mutate(audit, (tx) =>
      openAccess(tx, identity.context, { accountIds: [id], by: 'directory', cause: 'test' }),
    );
    assert.equal((await rowOf(id))?.['epoch'], '2');
    await assert.rejects(
      identity.admin('UPDATE identity.account SET epoch = 1 WHERE id = $1', [id]),
      /an epoch never falls/,
    );
    await assert.rejects(
      identity.admin("UPDATE identity.account SET status = 'inactive', admin_hold = true WHERE id = $1", [id]),
      /access ends only with a new epoch/,
    );
    await assert.rejects(
      identity.admin("UPDATE identity.account SET status = 'active', admin_hold = true WHERE id = $1", [id]),
      /account_access_needs_every_switch/,
    );
  });

  it('a tombstone of no connection stays one', async () => {
    const id = await newAccount();
    await close([id], 'removal');
    assert.equal((await rowOf(id))?.['status'], 'deleted');
    const opened = await identity.context.audit.mutate(audit, (tx) =>
      openAccess(tx, identity.context, { accountIds: [id], by: 'directory', cause: 'test' }),
    );
    assert.deepEqual(opened.value, []);
    await assert.rejects(
      identity.admin("UPDATE identity.account SET status = 'active' WHERE id = $1", [id]),
      /a tombstone is revived only with a new epoch/,
    );
    await assert.rejects(
      identity.admin("UPDATE identity.account SET status = 'active', epoch = epoch + 1 WHERE id = $1", [id]),
      /only its own connection revives a tombstone/,
    );
  });

  it('a security event voids everything and leaves the account open', async () => {
    const id = await newAccount();
    await close([id], 'security-event');
    assert.deepEqual([(await rowOf(id))?.['status'], (await rowOf(id))?.['epoch']], ['active', '2']);
    assert.deepEqual([...new Set(remembering.requests.map(({ scope }) => scope))], ['security-event']);
  });

  it('the end of a session touches neither status nor epoch', async () => {
    const id = await newAccount();
    const before = await rowOf(id);
    await identity.context.audit.mutate(audit, (tx) =>
      closeSession(tx, identity.context, { subjectId: id, sessionId: 'session-1', cause: 'test' }),
    );
    assert.deepEqual(await rowOf(id), before);
    assert.deepEqual([...new Set(remembering.requests.map(({ scope }) => scope))], ['session']);
  });

  it('never closes out the last local Owner', async () => {
    await assert.rejects(
      close([organization.ownerId], 'admin'),
      (error) => isAppError(error) && error.code === 'CONFLICT',
    );
    assert.equal((await close([organization.ownerId], 'security-event')).subjects.length, 1);
  });

  it('two doors to the same accounts, in any order, never deadlock and agree', async () => {
    const ids = [await newAccount(), await newAccount(), await newAccount()];
    const results = await Promise.all([close(ids), close([...ids].reverse()), close([ids[1] ?? '', ids[0] ?? ''])]);
    assert.equal(results.flatMap(({ subjects }) => subjects).length, 3);
    for (const id of ids) assert.equal((await rowOf(id))?.['epoch'], '2');
  });

  it('writes one receipt for each end of access, whoever is asked first', async () => {
    const id = await newAccount();
    const closed = await close([id]);
    await Promise.all([1, 2, 3].map(() => awaitEffective(identity.context, audit, closed, [id])));
    const receipts = await identity.context.audit.list(organization.orgId, {
      limit: 10,
      action: 'account.deactivation-effective',
      targetId: id,
    });
    assert.equal(receipts.length, 1);
    const after = receipts[0]?.entry['after'] as Record<string, unknown>;
    assert.equal(after['position'], closed.position()?.toString());
    assert.equal(after['epoch'], '2');
    assert.deepEqual(after['voided'], { sessions: 1, apiTokens: 1, providerArtifacts: 1 });
    assert.match(String((after['audit'] as string[])[0]), /^test\/o\/.+\/identity#\d+:[0-9a-f]{64}$/);
    assert.deepEqual(
      await identity.admin('SELECT 1 FROM identity.pending_receipt WHERE org_id = $1 AND position = $2', [
        organization.orgId,
        closed.position(),
      ]),
      [],
    );
  });

  describe('every way access ends goes through it', () => {
    // Of its own: the administrator who calls must not be one whose access another test has ended.
    beforeEach(async () => {
      organization = await newOrganization(identity);
      audit = { ...audit, orgId: organization.orgId };
    });

    it('a disabled connection closes its accounts, an enabled one opens those nothing else closes', async () => {
      const api = apiClient(identity, organization);
      const { connectionId, scim } = await newDirectory(identity, organization, 'Door');
      const [stays, leaves] = [
        await scim('POST', '/Users', { userName: `${newId()}@example.com` }),
        await scim('POST', '/Users', { userName: `${newId()}@example.com` }),
      ];
      await scim('PATCH', `/Users/${leaves.body.id}`, patchOf({ op: 'replace', value: { active: false } }));
      assert.equal((await api('PATCH', `/connections/${connectionId}`, { enabled: false })).status, 200);
      assert.equal((await rowOf(stays.body.id))?.['status'], 'inactive');
      assert.ok(
        remembering.requests.some(
          ({ subjectIds, cause }) => cause === 'connection.disabled' && subjectIds.includes(stays.body.id),
        ),
      );
      await api('PATCH', `/connections/${connectionId}`, { enabled: true });
      assert.equal((await rowOf(stays.body.id))?.['status'], 'active');
      assert.equal(
        (await rowOf(leaves.body.id))?.['status'],
        'inactive',
        'the directory closed it, only the directory opens it',
      );
    });

    it('a removed connection leaves tombstones and no groups', async () => {
      const { connectionId, scim } = await newDirectory(identity, organization, 'Door, removed');
      const user = await scim('POST', '/Users', { userName: `${newId()}@example.com` });
      const group = await scim('POST', '/Groups', { displayName: 'Leaving', members: [{ value: user.body.id }] });
      assert.equal((await apiClient(identity, organization)('DELETE', `/connections/${connectionId}`)).status, 204);
      assert.equal((await rowOf(user.body.id))?.['status'], 'deleted');
      assert.deepEqual(
        await identity.admin('SELECT 1 FROM identity.directory_group WHERE id = $1', [group.body.id]),
        [],
      );
    });

    it('a hold of an administrator outlasts what the directory says', async () => {
      const api = apiClient(identity, organization);
      const { scim } = await newDirectory(identity, organization, 'Door, hold');
      const { body } = await scim('POST', '/Users', { userName: `${newId()}@example.com` });
      assert.equal(
        (await api('POST', `/accounts/${body.id}/deactivate`, { reason: 'suspicious' })).body['status'],
        'inactive',
      );
      await scim('PATCH', `/Users/${body.id}`, patchOf({ op: 'replace', value: { active: true } }));
      assert.equal((await rowOf(body.id))?.['status'], 'inactive');
      assert.equal((await api('POST', `/accounts/${body.id}/reactivate`, {})).body['status'], 'active');
      await scim('PATCH', `/Users/${body.id}`, patchOf({ op: 'replace', value: { active: false } }));
      assert.equal(
        (await api('POST', `/accounts/${body.id}/reactivate`, {})).status,
        409,
        'only the directory opens what it closed',
      );
    });
  });
});
