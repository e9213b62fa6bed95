import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { createAccount } from '../src/accounts/index.ts';
import {
  apiClient,
  newDirectory,
  patchOf,
  USER_URN,
  type Answer,
  type Client,
  type Directory,
} from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity, type TestOrganization } from './support/identity.ts';

const userOf = (userName: string, more: Record<string, unknown> = {}) => ({
  schemas: [USER_URN],
  userName,
  emails: [{ value: userName, primary: true }],
  active: true,
  ...more,
});

describe('tombstones', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let directory: Directory;
  let scim: Client;
  let api: Client;

  before(async () => {
    identity = await startIdentity();
    organization = await newOrganization(identity);
    api = apiClient(identity, organization);
    directory = await newDirectory(identity, organization);
    scim = directory.scim;
  });
  after(() => identity.close());

  const newName = (): string => `${newId()}@example.com`;

  const create = async (body: object): Promise<Answer> => {
    const created = await scim('POST', '/Users', body);
    assert.equal(created.status, 201, JSON.stringify(created.body));
    return created;
  };

  const remove = async (id: string): Promise<void> => {
    assert.equal((await scim('DELETE', `/Users/${id}`)).status, 204);
  };

  const rowOf = async (id: string): Promise<Record<string, unknown>> => {
    const [row] = await identity.admin<Record<string, unknown>>('SELECT * FROM identity.account WHERE id = $1', [id]);
    assert.ok(row !== undefined);
    return row;
  };

  const lastEntryOf = async (id: string) => {
    const [row] = await identity.admin<{ cause: string; subjects: Record<string, unknown>[] }>(
      `SELECT cause, subjects FROM identity.subject_log
        WHERE subjects @> jsonb_build_array(jsonb_build_object('subjectId', $1::text)) ORDER BY position DESC LIMIT 1`,
      [id],
    );
    return { cause: row?.cause, subject: row?.subjects.find(({ subjectId }) => subjectId === id) };
  };

  it('provisioning the same externalId again gives the same id, in a new epoch (Budibase#17628)', async () => {
    const externalId = newId();
    const { body } = await create(userOf(newName(), { externalId, title: 'Dr', displayName: 'Old' }));
    await remove(body.id);
    const [newUserName, displayName] = [newName(), 'New'];
    const again = await create(userOf(newUserName, { externalId, displayName }));
    assert.equal(again.body.id, body.id);
    assert.deepEqual(
      [again.body.userName, again.body.displayName, again.body['title'], again.body.active],
      [newUserName, displayName, undefined, true],
      'the content is that of the request, nothing of the old one',
    );
    const row = await rowOf(body.id);
    assert.deepEqual([row['status'], row['epoch'], row['removed_epoch']], ['active', '3', '2']);
    assert.equal((await scim('GET', `/Users/${body.id}`)).body.userName, newUserName);
    assert.deepEqual(await lastEntryOf(body.id), {
      cause: 'account.revived',
      subject: {
        subjectId: body.id,
        type: 'user',
        active: true,
        epoch: '3',
        groupIds: [],
        deleted: false,
        removedEpoch: '2',
      },
    });
    const [entry] = await identity.context.audit.list(directory.orgId, {
      limit: 1,
      targetId: body.id,
      action: 'account.revived',
    });
    assert.ok(entry !== undefined);
    assert.equal((entry.entry['before'] as Record<string, unknown>)['status'], 'deleted');
  });

  it('without an externalId the user name is the key, within the connection', async () => {
    const name = newName();
    const { body } = await create(userOf(name));
    await remove(body.id);
    assert.equal((await create(userOf(name.toUpperCase()))).body.id, body.id);
  });

  it('a recycled user name under another externalId is somebody else', async () => {
    const name = newName();
    const { body } = await create(userOf(name, { externalId: newId() }));
    await remove(body.id);
    const other = await create(userOf(name, { externalId: newId() }));
    assert.notEqual(other.body.id, body.id);
    await remove(other.body.id);
    assert.notEqual((await create(userOf(name))).body.id, body.id, 'a name alone does not say who they were');
  });

  it('the tombstone of another connection is never revived', async () => {
    const [name, externalId] = [newName(), newId()];
    const { body } = await create(userOf(name, { externalId }));
    await remove(body.id);
    const other = await newDirectory(identity, organization, newId());
    const created = await other.scim('POST', '/Users', userOf(name, { externalId }));
    assert.equal(created.status, 201);
    assert.notEqual(created.body.id, body.id);
    await assert.rejects(
      identity.admin('UPDATE identity.account SET connection_id = $2, epoch = epoch + 1 WHERE id = $1', [
        body.id,
        other.connectionId,
      ]),
      /only an account of nobody comes to a connection/,
    );
  });

  it('nothing the person held comes back: groups, tokens, an old epoch', async () => {
    const externalId = newId();
    const { body } = await create(userOf(newName(), { externalId }));
    const group = await scim('POST', '/Groups', { displayName: newId(), members: [{ value: body.id }] });
    await identity.admin(
      `INSERT INTO identity.api_token (org_id, id, token_hash, account_id, epoch_at_issue, name, created_at, created_by,
         expires_at) VALUES ($1, $2, $3, $4, 1, 'mine', now(), $4, now() + interval '1 day')`,
      [directory.orgId, newId(), Buffer.from(newId()), body.id],
    );
    await remove(body.id);
    const again = await create(userOf(newName(), { externalId }));
    assert.equal(again.body.id, body.id);
    assert.deepEqual(again.body.groups ?? [], []);
    assert.deepEqual((await scim('GET', `/Groups/${group.body.id}`)).body.members ?? [], []);
    const tokens = await identity.admin<{ revoked_at: Date | null; epoch_at_issue: string }>(
      'SELECT revoked_at, epoch_at_issue FROM identity.api_token WHERE account_id = $1',
      [body.id],
    );
    assert.deepEqual(
      tokens.map((token) => [token.revoked_at !== null, token.epoch_at_issue]),
      [[true, '1']],
    );
    const added = patchOf({ op: 'add', path: 'members', value: [{ value: body.id }] });
    assert.equal((await scim('PATCH', `/Groups/${group.body.id}`, added)).status, 204);
    assert.deepEqual((await lastEntryOf(body.id)).subject?.['groupIds'], [group.body.id], 'usable as before');
  });

  it('a POST that is delayed or sent twice re-enables nobody: whoever is here is a 409', async () => {
    const user = userOf(newName(), { externalId: newId() });
    const { body } = await create(user);
    const off = patchOf({ op: 'replace', path: 'active', value: false });
    assert.equal((await scim('PATCH', `/Users/${body.id}`, off)).status, 200);
    for (const replay of [user, { ...user, externalId: undefined }, { ...user, userName: newName() }]) {
      const answer = await scim('POST', '/Users', replay);
      assert.deepEqual([answer.status, answer.body.scimType], [409, 'uniqueness']);
    }
    const row = await rowOf(body.id);
    assert.deepEqual([row['status'], row['epoch'], row['user_name']], ['inactive', '2', user.userName]);
  });

  it('a change that is late finds nobody: it never brings back who was removed', async () => {
    const user = userOf(newName(), { externalId: newId() });
    const { body } = await create(user);
    await remove(body.id);
    const on = patchOf({ op: 'replace', path: 'active', value: true });
    assert.equal((await scim('PATCH', `/Users/${body.id}`, on)).status, 404);
    assert.equal((await scim('PUT', `/Users/${body.id}`, user)).status, 404);
    assert.equal((await rowOf(body.id))['status'], 'deleted');
  });

  it('revived twice at once: one account, one 409', async () => {
    const externalId = newId();
    const { body } = await create(userOf(newName(), { externalId }));
    await remove(body.id);
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => scim('POST', '/Users', userOf(newName(), { externalId }))),
    );
    assert.deepEqual(
      answers.map(({ status }) => status).sort((a, b) => a - b),
      [201, 409, 409, 409],
    );
    assert.equal(answers.find(({ status }) => status === 201)?.body.id, body.id);
    assert.equal((await rowOf(body.id))['epoch'], '3');
  });

  it('revived as inactive stays out', async () => {
    const externalId = newId();
    const { body } = await create(userOf(newName(), { externalId }));
    await remove(body.id);
    const again = await create(userOf(newName(), { externalId, active: false }));
    assert.equal(again.body.id, body.id);
    const row = await rowOf(body.id);
    assert.deepEqual([row['status'], row['epoch']], ['inactive', '3']);
  });

  it("an administrator's hold outlives removal and revival (ADR 0010)", async () => {
    const externalId = newId();
    const { body } = await create(userOf(newName(), { externalId }));
    assert.equal((await api('POST', `/accounts/${body.id}/deactivate`, {})).status, 200);
    await remove(body.id);
    assert.equal((await create(userOf(newName(), { externalId }))).body.id, body.id);
    const row = await rowOf(body.id);
    assert.deepEqual([row['status'], row['admin_hold'], row['directory_active']], ['inactive', true, true]);
    assert.equal((await api('POST', `/accounts/${body.id}/reactivate`, {})).status, 200);
    assert.equal((await rowOf(body.id))['status'], 'active');
  });

  it('a name that somebody else has by now is a 409, and the tombstone stays one', async () => {
    const [name, externalId] = [newName(), newId()];
    const { body } = await create(userOf(name, { externalId }));
    await remove(body.id);
    await create(userOf(name, { externalId: newId() }));
    const answer = await scim('POST', '/Users', userOf(name, { externalId }));
    assert.deepEqual([answer.status, answer.body.scimType], [409, 'uniqueness']);
    assert.deepEqual([(await rowOf(body.id))['status'], (await rowOf(body.id))['epoch']], ['deleted', '2']);
  });

  it('the tombstone of a removed connection is for good, in the database too', async () => {
    const gone = await newDirectory(identity, organization, newId());
    const created = await gone.scim('POST', '/Users', userOf(newName(), { externalId: newId() }));
    assert.equal((await api('DELETE', `/connections/${gone.connectionId}`)).status, 204);
    await assert.rejects(
      identity.admin("UPDATE identity.account SET status = 'active', epoch = epoch + 1 WHERE id = $1", [
        created.body.id,
      ]),
      /only its own connection revives a tombstone/,
    );
  });

  it('local accounts are never revived', async () => {
    const audit = { orgId: directory.orgId, actor: { type: 'system', id: 'test' }, requestId: 'test' } as const;
    const userName = newName();
    const input = { kind: 'user', connectionId: null, externalId: null, userName, profile: {} } as const;
    const { value } = await identity.context.audit.mutate(audit, (tx) => createAccount(tx, identity.context, input));
    await identity.admin("UPDATE identity.account SET status = 'deleted', epoch = epoch + 1 WHERE id = $1", [value.id]);
    assert.notEqual((await create(userOf(userName))).body.id, value.id);
  });
});
