/** Groups, roles and people of a directory, from SCIM request to decision. */
import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { bearer, expectStatus, type Caller } from '@sallyport/dev-env/actors';

import { askPolicy, type Company } from '../src/company.ts';
import { openRival } from '../support/rival.ts';
import { BOOT_TIMEOUT_MS, sharedCompany } from '../support/shared-company.ts';
import { PATCH_SCHEMA, Workshop } from '../support/workshop.ts';

const MAPPINGS = '/api/policy/v1/group-mappings';

describe('SCIM and roles', function () {
  this.timeout(180_000);
  let company: Company;
  let workshop: Workshop;
  let directory: Caller;
  let projectId: string;

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    const shared = await sharedCompany();
    workshop = await Workshop.open(shared);
    // An organisation of its own: who its Owners are is what is tested.
    const { orgId, owner, scimToken, project } = await openRival(shared, 'initech');
    company = { ...shared, orgId, owner };
    directory = bearer(shared.constellation.origin, scimToken);
    projectId = String((await expectStatus(owner, 200, 'GET', `/api/flags/v1/projects/${project}`))['id']);
  });

  const user = async (externalId?: string): Promise<string> => {
    const body = { ...workshop.userBody(), ...(externalId === undefined ? {} : { externalId }) };
    return String((await expectStatus(directory, 201, 'POST', '/scim/v2/Users', body))['id']);
  };

  const group = async (body: object, ...ids: string[]): Promise<string> => {
    const members = ids.map((value) => ({ value }));
    return String((await expectStatus(directory, 201, 'POST', '/scim/v2/Groups', { ...body, members }))['id']);
  };

  const patch = async (path: string, ...operations: object[]) =>
    await directory.call('PATCH', `/scim/v2/${path}`, { schemas: [PATCH_SCHEMA], Operations: operations });

  /** Waits for policy to have heard of the group. */
  const map = async (groupId: string, role: string): Promise<void> => {
    await waitFor(async () => (await company.owner.call('POST', MAPPINGS, { groupId, role })).status === 201, {
      message: 'policy to know a new group',
    });
  };

  /** In the project; of a permission of the organisation, there. */
  const reasonOf = async (subjectId: string, action = 'flag:read'): Promise<string> => {
    const within = action === 'flag:read' ? { projectId } : {};
    return (await askPolicy(company, subjectId, { action, ...within })).reason;
  };

  const becomes = async (subjectId: string, reason: string, action?: string): Promise<void> => {
    await waitFor(async () => (await reasonOf(subjectId, action)) === reason, { message: `${subjectId}: ${reason}` });
  };

  it('a renamed group keeps its roles', async () => {
    const id = await user();
    const groupId = await group(workshop.groupBody(), id);
    await map(groupId, 'viewer');
    await becomes(id, 'GRANTED');
    const [displayName, externalId] = [workshop.name('renamed'), workshop.name('id')];
    assert.equal((await patch(`Groups/${groupId}`, { op: 'replace', value: { displayName, externalId } })).status, 204);
    const late = await user();
    assert.equal(
      (await patch(`Groups/${groupId}`, { op: 'add', path: 'members', value: [{ value: late }] })).status,
      204,
    );
    await becomes(late, 'GRANTED');
    assert.equal(await reasonOf(id), 'GRANTED');
  });

  it('a group that is deleted and made again, same name and same externalId, has no roles', async () => {
    const id = await user();
    const body = { ...workshop.groupBody(), externalId: workshop.name('id') };
    const groupId = await group(body, id);
    await map(groupId, 'viewer');
    await becomes(id, 'GRANTED');
    await expectStatus(directory, 204, 'DELETE', `/scim/v2/Groups/${groupId}`);
    await becomes(id, 'NO_GRANT');
    const again = await group(body, id);
    assert.notEqual(again, groupId);
    const groups = await expectStatus(directory, 200, 'GET', `/scim/v2/Users/${id}`);
    assert.deepEqual(
      (groups['groups'] as { value: string }[]).map(({ value }) => value),
      [again],
    );
    // Whatever policy hears of next comes after what it had to hear of the group.
    await map(await group(workshop.groupBody()), 'viewer');
    assert.equal(await reasonOf(id), 'NO_GRANT');
    await map(again, 'viewer');
    await becomes(id, 'GRANTED');
  });

  it('somebody who is removed and provisioned again keeps the id and nothing else', async () => {
    const externalId = workshop.name('ext');
    const id = await user(externalId);
    const groupId = await group(workshop.groupBody(), id);
    await map(groupId, 'viewer');
    await becomes(id, 'GRANTED');
    const grant = {
      subject: { type: 'user', id },
      role: 'developer',
      scope: { projectId },
    };
    await expectStatus(company.owner, 201, 'POST', '/api/policy/v1/grants', grant);
    await expectStatus(directory, 204, 'DELETE', `/scim/v2/Users/${id}`);
    assert.equal(await reasonOf(id), 'SUBJECT_REVOKED', 'the answer came after every enforcement point knew');
    assert.equal(await user(externalId), id);
    // Not for one answer is a role of the earlier life back.
    await waitFor(
      async () => {
        const reason = await reasonOf(id);
        assert.ok(reason !== 'GRANTED', 'a role came back');
        return reason === 'NO_GRANT';
      },
      { message: 'policy to know who came back' },
    );
    const { items } = await expectStatus(company.owner, 200, 'GET', `/api/policy/v1/grants?subjectId=${id}`);
    assert.deepEqual(items, [], 'the role of their own has ended');
    const add = { op: 'add', path: 'members', value: [{ value: id }] };
    assert.equal((await patch(`Groups/${groupId}`, add)).status, 204);
    await becomes(id, 'GRANTED');
  });

  it('the last Owner: a group edit is refused, a deactivation is not, and the break-glass Owner remains', async () => {
    const [first, second] = [await user(), await user()];
    const groupId = await group(workshop.groupBody(), first, second);
    await map(groupId, 'owner');
    await becomes(first, 'GRANTED', 'connection:manage');
    const remove = (id: string) => ({ op: 'remove', path: `members[value eq "${id}"]` });
    assert.equal((await patch(`Groups/${groupId}`, remove(first))).status, 204);
    await becomes(first, 'NO_GRANT', 'connection:manage');
    for (const attempt of [
      await patch(`Groups/${groupId}`, remove(second)),
      await directory.call('PUT', `/scim/v2/Groups/${groupId}`, workshop.groupBody()),
      await directory.call('DELETE', `/scim/v2/Groups/${groupId}`),
    ]) {
      assert.deepEqual([attempt.status, attempt.body['status']], [409, '409'], JSON.stringify(attempt.body));
      assert.match(String(attempt.body['detail']), /last active person/);
    }
    assert.equal(await reasonOf(second, 'connection:manage'), 'GRANTED');
    assert.equal((await patch(`Users/${second}`, { op: 'replace', value: { active: false } })).status, 200);
    assert.equal(await reasonOf(second, 'connection:manage'), 'SUBJECT_REVOKED');
    await expectStatus(company.owner, 200, 'GET', '/api/identity/v1/connections');
    await expectStatus(directory, 204, 'DELETE', `/scim/v2/Groups/${groupId}`);
  });
});
