import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { isAppError } from '@sallyport/errors';
import { newId } from '@sallyport/storage';

import { createAccount } from '../src/accounts/index.ts';
import { carryThrough } from '../src/connections/carry-through.ts';
import { apiClient, newDirectory, type Client, type Directory } from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity, type TestOrganization } from './support/identity.ts';

describe('connections', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let api: Client;

  before(async () => {
    identity = await startIdentity();
    organization = await newOrganization(identity);
    api = apiClient(identity, organization);
  });
  after(() => identity.close());

  const populate = async ({ connectionId }: Directory, count: number): Promise<void> => {
    await identity.admin(
      `INSERT INTO identity.account (org_id, id, kind, status, connection_id, user_name, user_name_key, created_at, updated_at)
       SELECT $1, gen_random_uuid(), 'user', 'active', $2::uuid, $2::text || n, $2::text || n, now(), now()
         FROM generate_series(1, $3::int) n`,
      [organization.orgId, connectionId, count],
    );
  };

  const states = async ({ connectionId }: Directory): Promise<Record<string, number>> => {
    const rows = await identity.admin<{ state: string; count: number }>(
      `SELECT status || ' in epoch ' || epoch AS state, count(*)::int AS count FROM identity.account
        WHERE connection_id = $1 GROUP BY 1`,
      [connectionId],
    );
    return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
  };

  it('carries a state through to more accounts than one transaction takes, each with its receipt', async function () {
    this.timeout(180_000);
    const directory = await newDirectory(identity, organization, newId());
    await populate(directory, 1_100);
    const path = `/connections/${directory.connectionId}`;
    assert.equal((await api('PATCH', path, { enabled: false })).status, 200);
    assert.deepEqual(await states(directory), { 'inactive in epoch 2': 1_100 });
    const [receipts] = await identity.admin<{ count: number }>(
      `SELECT count(*)::int AS count FROM identity.audit_entry
        WHERE org_id = $1 AND action = 'account.deactivation-effective'
          AND target_id::uuid IN (SELECT id FROM identity.account WHERE connection_id = $2)`,
      [organization.orgId, directory.connectionId],
    );
    assert.equal(receipts?.count, 1_100);
    assert.equal((await api('PATCH', path, { enabled: true })).status, 200);
    assert.deepEqual(await states(directory), { 'active in epoch 2': 1_100 });
  });

  it('finishes at the next start what a process that died left half-done', async () => {
    const [disabled, removed, enabled] = [
      await newDirectory(identity, organization, newId()),
      await newDirectory(identity, organization, newId()),
      await newDirectory(identity, organization, newId()),
    ];
    for (const directory of [disabled, removed, enabled]) await populate(directory, 3);
    await api('PATCH', `/connections/${enabled.connectionId}`, { enabled: false });
    await removed.scim('POST', '/Groups', { displayName: 'Left behind' });
    await identity.admin('UPDATE identity.connection SET enabled = false WHERE id = $1', [disabled.connectionId]);
    await identity.admin('UPDATE identity.connection SET enabled = false, deleted_at = now() WHERE id = $1', [
      removed.connectionId,
    ]);
    await identity.admin('UPDATE identity.connection SET enabled = true WHERE id = $1', [enabled.connectionId]);
    const second = await startIdentity({ database: identity.database });
    await second.close();
    assert.deepEqual(await states(disabled), { 'inactive in epoch 2': 3 });
    assert.deepEqual(await states(removed), { 'deleted in epoch 2': 3 });
    assert.deepEqual(await states(enabled), { 'active in epoch 2': 3 });
    const groups = await identity.admin('SELECT 1 FROM identity.directory_group WHERE connection_id = $1', [
      removed.connectionId,
    ]);
    assert.deepEqual(groups, []);
  });

  it('agrees with its last state when it is disabled and enabled at the same time, and ends', async () => {
    const directory = await newDirectory(identity, organization, newId());
    await populate(directory, 20);
    const path = `/connections/${directory.connectionId}`;
    const change = (enabled: boolean) => api('PATCH', path, { enabled });
    await Promise.all([change(false), change(true), change(false), change(true)]);
    const { body } = await api('GET', path);
    const active = Object.keys(await states(directory)).map((state) => state.startsWith('active'));
    assert.deepEqual(new Set(active), new Set([body['enabled']]));
  });

  it('carries nothing through that is not the state any more', async () => {
    const directory = await newDirectory(identity, organization, newId());
    await populate(directory, 3);
    const { orgId, connectionId } = directory;
    const actor = { type: 'system', id: 'test' } as const;
    for (const state of ['disabled', 'removed'] as const)
      await carryThrough(identity.context, { orgId, actor, requestId: 'late' }, { orgId, connectionId, state });
    assert.deepEqual(await states(directory), { 'active in epoch 1': 3 });
  });

  it('lets nobody in who is being created while it is disabled', async () => {
    const directory = await newDirectory(identity, organization, newId());
    const { orgId, connectionId } = directory;
    const context = { orgId, actor: { type: 'system', id: 'test' }, requestId: 'race' } as const;
    const create = (work: () => Promise<void> = () => Promise.resolve()) =>
      identity.context.audit.mutate(context, async (tx) => {
        const account = { kind: 'user', connectionId, externalId: null, userName: newId(), profile: {} } as const;
        await createAccount(tx, identity.context, account);
        await work();
      });
    const [inserted, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const creating = create(async () => {
      inserted.resolve();
      await gate.promise;
    });
    await inserted.promise;
    let isDisabled = false;
    const disabling = api('PATCH', `/connections/${connectionId}`, { enabled: false }).then(({ status }) => {
      isDisabled = status === 200;
    });
    await waitFor(async () => {
      const waiting = await identity.admin(`SELECT 1 FROM pg_locks WHERE NOT granted`);
      return waiting.length > 0 || isDisabled;
    });
    gate.resolve();
    await Promise.all([creating, disabling]);
    assert.equal(isDisabled, true);
    assert.deepEqual(await states(directory), { 'inactive in epoch 2': 1 });
    await assert.rejects(create(), (error) => isAppError(error) && error.code === 'CONNECTION_DISABLED');
  });
});
