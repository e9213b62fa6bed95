import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import type { Ownership } from '../src/groups/index.ts';
import { newDirectory, patchOf, type Answer, type Client, type Directory } from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity, type TestOrganization } from './support/identity.ts';

const NOBODY: Ownership = { ownerUserIds: [], ownerGroupIds: [], deniedUserIds: [], deniedGroupIds: [] };

describe('the last Owner (oidc-and-sessions.md §13)', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let directory: Directory;
  let scim: Client;
  /** What policy would say; null: it cannot be asked. */
  let ownership: Ownership | null = NOBODY;

  before(async () => {
    identity = await startIdentity({ askOwnership: () => Promise.resolve(ownership) });
  });
  after(() => identity.close());
  beforeEach(async () => {
    ownership = NOBODY;
    organization = await newOrganization(identity);
    directory = await newDirectory(identity, organization);
    scim = directory.scim;
  });

  const user = async (): Promise<string> => {
    const created = await scim('POST', '/Users', { userName: `${newId()}@example.com`, active: true });
    assert.equal(created.status, 201);
    return created.body.id;
  };

  /** A group of these users, with the role Owner; the break-glass Owner has it directly. */
  const owners = async (...ids: string[]): Promise<string> => {
    const members = ids.map((value) => ({ value }));
    const created = await scim('POST', '/Groups', { displayName: newId(), members });
    const ownerGroupIds = [...(ownership?.ownerGroupIds ?? []), created.body.id];
    ownership = { ...(ownership ?? NOBODY), ownerUserIds: [organization.ownerId], ownerGroupIds };
    return created.body.id;
  };

  const remove = (...ids: string[]) =>
    patchOf({ op: 'remove', path: 'members', value: ids.map((value) => ({ value })) });
  const membersOf = async (groupId: string): Promise<string[]> =>
    ((await scim('GET', `/Groups/${groupId}`)).body.members ?? []).map(({ value }) => value ?? '');
  const entriesOf = async (action: string): Promise<unknown[]> =>
    await identity.context.audit.list(organization.orgId, { limit: 10, action });

  const assertRefused = ({ status, body }: Answer): void => {
    assert.deepEqual([status, body.status, body.scimType], [409, '409', 'mutability']);
    assert.match(body.detail, /last active person/);
  };

  it('keeps the role against every edit of a group, each recorded as refused', async () => {
    const last = await user();
    const groupId = await owners(last);
    const other = await user();
    const displayName = newId();
    const edits: [method: string, body: unknown][] = [
      ['PATCH', remove(last)],
      ['PATCH', patchOf({ op: 'remove', path: `members[value eq "${last}"]` })],
      ['PATCH', patchOf({ op: 'Remove', path: 'members', value: [{ $ref: null, value: last }] })],
      ['PATCH', patchOf({ op: 'remove', path: 'members' })],
      ['PATCH', patchOf({ op: 'replace', path: 'members', value: [] })],
      ['PATCH', patchOf({ op: 'add', path: 'members', value: [{ value: other }] }, ...remove(last, other).Operations)],
      ['PUT', { displayName, members: [] }],
      ['PUT', { displayName }],
      ['DELETE', undefined],
    ];
    for (const [method, body] of edits) {
      assertRefused(await scim(method, `/Groups/${groupId}`, body));
      assert.deepEqual(await membersOf(groupId), [last], `${method} changed nothing`);
    }
    assert.equal((await entriesOf('group.change-refused')).length, edits.length);
  });

  it('lets every edit through that leaves an Owner', async () => {
    const [first, second] = [await user(), await user()];
    const groupId = await owners(first, second);
    assert.equal((await scim('PATCH', `/Groups/${groupId}`, remove(first))).status, 204);
    const third = await user();
    const swap = patchOf(
      { op: 'remove', path: `members[value eq "${second}"]` },
      { op: 'add', path: 'members', value: [{ value: third }] },
    );
    assert.equal((await scim('PATCH', `/Groups/${groupId}`, swap)).status, 204, 'the outcome counts, not the steps');
    const fourth = await user();
    assert.equal(
      (await scim('PUT', `/Groups/${groupId}`, { displayName: newId(), members: [{ value: fourth }] })).status,
      200,
    );
    const spare = await owners(third);
    assert.equal((await scim('DELETE', `/Groups/${groupId}`)).status, 204);
    assertRefused(await scim('DELETE', `/Groups/${spare}`));
    assert.equal(
      (await scim('PATCH', `/Groups/${spare}`, patchOf({ op: 'replace', value: { displayName: newId() } }))).status,
      204,
    );
  });

  it('does not count who is inactive, denied, or the break-glass Owner; counts a role of one’s own', async () => {
    const [last, inactive, denied, direct] = [await user(), await user(), await user(), await user()];
    const groupId = await owners(last, inactive, denied);
    await scim('PATCH', `/Users/${inactive}`, patchOf({ op: 'replace', value: { active: false } }));
    ownership = { ...(ownership ?? NOBODY), deniedUserIds: [denied] };
    assertRefused(await scim('PATCH', `/Groups/${groupId}`, remove(last)));
    const others = await scim('POST', '/Groups', { displayName: newId(), members: [{ value: denied }] });
    ownership = { ...ownership, deniedUserIds: [], deniedGroupIds: [others.body.id] };
    assertRefused(await scim('PATCH', `/Groups/${groupId}`, remove(last)));
    ownership = { ...ownership, ownerUserIds: [organization.ownerId, direct] };
    assert.equal((await scim('PATCH', `/Groups/${groupId}`, remove(last))).status, 204);
  });

  it('never refuses what ends access: deactivation in every shape, deletion, the connection', async () => {
    for (const end of [
      (id: string) => scim('PATCH', `/Users/${id}`, patchOf({ op: 'Replace', path: 'active', value: 'False' })),
      (id: string) => scim('PUT', `/Users/${id}`, { userName: `${newId()}@example.com`, active: false }),
      (id: string) => scim('DELETE', `/Users/${id}`),
    ]) {
      const last = await user();
      await owners(last);
      const answer = await end(last);
      assert.ok(answer.status === 200 || answer.status === 204, JSON.stringify(answer.body));
      const [row] = await identity.admin('SELECT status FROM identity.account WHERE id = $1', [last]);
      assert.notEqual(row?.['status'], 'active');
      const [owner] = await identity.admin('SELECT status FROM identity.account WHERE id = $1', [organization.ownerId]);
      assert.equal(owner?.['status'], 'active', 'the break-glass Owner remains');
    }
  });

  it('an organisation that has no such Owner already is not stuck', async () => {
    const last = await user();
    const groupId = await owners(last);
    await scim('PATCH', `/Users/${last}`, patchOf({ op: 'replace', value: { active: false } }));
    assert.equal((await scim('PATCH', `/Groups/${groupId}`, remove(last))).status, 204);
    assert.equal((await scim('DELETE', `/Groups/${groupId}`)).status, 204);
  });

  it('of two removals at once, from two groups, one is refused', async () => {
    for (let round = 0; round < 10; round += 1) {
      ownership = NOBODY;
      const [first, second] = [await user(), await user()];
      const groups = [await owners(first), await owners(second)];
      const answers = await Promise.all([
        scim('PATCH', `/Groups/${groups[0] ?? ''}`, remove(first)),
        scim('PATCH', `/Groups/${groups[1] ?? ''}`, remove(second)),
      ]);
      assert.deepEqual(
        answers.map(({ status }) => status).sort((a, b) => a - b),
        [204, 409],
      );
    }
  });

  it('when policy cannot be asked a role may end all the same, and the record says so', async () => {
    const last = await user();
    const groupId = await owners(last);
    ownership = null;
    assert.equal((await scim('PATCH', `/Groups/${groupId}`, remove(newId()))).status, 204);
    assert.equal((await entriesOf('group.owner-rule-unchecked')).length, 0, 'nothing was changed');
    assert.equal((await scim('PATCH', `/Groups/${groupId}`, remove(last))).status, 204);
    assert.equal((await scim('DELETE', `/Groups/${groupId}`)).status, 204);
    assert.equal((await entriesOf('group.owner-rule-unchecked')).length, 2);
  });
});
