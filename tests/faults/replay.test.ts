/** Directories repeat themselves: a request that arrives twice, or many times at once, changes nothing twice. */
import assert from 'node:assert/strict';

import { expectStatus } from '@sallyport/dev-env/actors';

import { openCompany, type Company } from '../src/company.ts';
import { addMember, newUser, patchOf, removeMember, setActive } from '../src/storm.ts';

const COPIES = 8;

interface Target {
  readonly userId: string;
  readonly userName: string;
  readonly groupId: string;
}

type Request = (target: Target) => readonly [method: string, path: string, body?: object];

interface Repeated {
  readonly name: string;
  readonly request: Request;
  /** What the first one is answered with. */
  readonly first: number;
  /** What the second is answered with, where that is something else. */
  readonly again?: number;
  /** Sent before, so that the first one has something to do. */
  readonly before?: Request;
}

const group = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'] };
const patchUser =
  (patch: object): Request =>
  ({ userId }) => ['PATCH', `/scim/v2/Users/${userId}`, patch];
const patchGroup =
  (patch: (userId: string) => object): Request =>
  ({ groupId, userId }) => ['PATCH', `/scim/v2/Groups/${groupId}`, patch(userId)];

const REPEATED: readonly Repeated[] = [
  {
    name: 'PATCH active: false, as Okta sends it',
    request: patchUser(setActive(false)),
    first: 200,
  },
  {
    name: 'PATCH active: "True", as Entra sends it',
    before: patchUser(setActive(false)),
    request: patchUser(patchOf({ op: 'Replace', path: 'active', value: 'True' })),
    first: 200,
  },
  {
    name: 'PATCH of a name',
    request: patchUser(patchOf({ op: 'replace', path: 'name.givenName', value: 'Renamed' })),
    first: 200,
  },
  {
    name: 'PUT of a user',
    request: ({ userId, userName }) => [
      'PUT',
      `/scim/v2/Users/${userId}`,
      { ...newUser(userName), title: 'Engineer', active: false },
    ],
    first: 200,
  },
  { name: 'PATCH that adds a member', request: patchGroup(addMember), first: 204 },
  {
    name: 'PATCH that removes a member',
    before: patchGroup(addMember),
    request: patchGroup(removeMember),
    first: 204,
  },
  {
    name: 'PUT of a group with its members',
    request: ({ groupId, userId }) => [
      'PUT',
      `/scim/v2/Groups/${groupId}`,
      { ...group, displayName: `renamed ${groupId}`, members: [{ value: userId }] },
    ],
    first: 200,
  },
  { name: 'DELETE of a user', request: ({ userId }) => ['DELETE', `/scim/v2/Users/${userId}`], first: 204, again: 404 },
  {
    name: 'DELETE of a group',
    request: ({ groupId }) => ['DELETE', `/scim/v2/Groups/${groupId}`],
    first: 204,
    again: 404,
  },
];

describe('a directory that repeats itself', function () {
  this.timeout(180_000);
  let company: Company;

  before(async () => {
    company = await openCompany();
  });

  after(async () => {
    await company?.close();
  });

  const newTarget = async (): Promise<Target> => {
    const { directory, nextName } = company;
    const userName = `${nextName('twice')}@acme.example`;
    const { id: userId } = await expectStatus(directory, 201, 'POST', '/scim/v2/Users', newUser(userName));
    const named = { ...group, displayName: nextName('twice') };
    const { id: groupId } = await expectStatus(directory, 201, 'POST', '/scim/v2/Groups', named);
    return { userId: String(userId), userName, groupId: String(groupId) };
  };

  /** Everything a repetition could move. */
  const state = async ({ userId, groupId }: Target): Promise<unknown> => {
    const { rows } = await company.database.query<Record<string, unknown>>(
      `SELECT (SELECT position FROM identity.subject_log_head WHERE org_id = $1) AS position,
              (SELECT size FROM identity.audit_head WHERE org_id = $1) AS entries,
              (SELECT count(*) FROM identity.account WHERE org_id = $1) AS accounts,
              (SELECT to_jsonb(a) FROM identity.account a WHERE a.id = $2) AS account,
              (SELECT to_jsonb(g) FROM identity.directory_group g WHERE g.id = $3) AS "group",
              (SELECT count(*) FROM identity.group_member m WHERE m.group_id = $3) AS members`,
      [company.orgId, userId, groupId],
    );
    return rows[0];
  };

  for (const { name, request, first, again = first, before } of REPEATED)
    it(`changes nothing by the second ${name}`, async () => {
      const { directory } = company;
      const target = await newTarget();
      if (before !== undefined) await directory.call(...before(target));
      const untouched = await state(target);
      assert.equal((await directory.call(...request(target))).status, first);
      const changed = await state(target);
      assert.notDeepEqual(changed, untouched);
      assert.equal((await directory.call(...request(target))).status, again);
      assert.deepEqual(await state(target), changed);
    });

  it('creates nobody by the second POST of a user', async () => {
    const target = await newTarget();
    const before = await state(target);
    const again = await company.directory.call('POST', '/scim/v2/Users', newUser(target.userName));
    assert.deepEqual([again.status, again.body['scimType']], [409, 'uniqueness']);
    assert.deepEqual(await state(target), before);
  });

  it('ends access once when it asks many times at once', async () => {
    const target = await newTarget();
    const path = `/scim/v2/Users/${target.userId}`;
    const answers = await Promise.all(
      Array.from({ length: COPIES }, async () => await company.directory.call('PATCH', path, setActive(false))),
    );
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    const { rows } = await company.database.query<Record<string, unknown>>(
      `SELECT a.epoch, a.status,
              (SELECT count(*) FROM identity.audit_entry e WHERE e.target_id = $1 AND e.action = 'account.deactivated') AS ends,
              (SELECT count(*) FROM identity.subject_log l
                WHERE l.subjects @> jsonb_build_array(jsonb_build_object('subjectId', $1::text))) AS positions
         FROM identity.account a WHERE a.id::text = $1`,
      [target.userId],
    );
    assert.deepEqual(rows, [{ epoch: '2', status: 'inactive', ends: '1', positions: '2' }]);
  });

  it('creates one person when it asks many times at once', async () => {
    const user = newUser(`${company.nextName('once')}@acme.example`);
    const answers = await Promise.all(
      Array.from({ length: COPIES }, async () => await company.directory.call('POST', '/scim/v2/Users', user)),
    );
    assert.deepEqual(answers.map(({ status }) => String(status)).sort(), [
      '201',
      ...Array<string>(COPIES - 1).fill('409'),
    ]);
  });

  it('adds one membership when it asks many times at once', async () => {
    const target = await newTarget();
    const path = `/scim/v2/Groups/${target.groupId}`;
    const answers = await Promise.all(
      Array.from({ length: COPIES }, async () => await company.directory.call('PATCH', path, addMember(target.userId))),
    );
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([204]));
    const { rows } = await company.database.query<Record<string, unknown>>(
      `SELECT (SELECT count(*) FROM identity.group_member WHERE group_id::text = $1) AS members,
              (SELECT count(*) FROM identity.audit_entry
                WHERE target_id = $1 AND action = 'group.members-changed') AS entries`,
      [target.groupId],
    );
    assert.deepEqual(rows, [{ members: '1', entries: '1' }]);
  });

  for (const flavor of ['okta', 'entra'] as const)
    it(`changes nothing by a second full synchronisation (${flavor})`, async () => {
      const target = await newTarget();
      await company.idp.setFlavor(flavor);
      await company.idp.provision(true);
      const before = await state(target);
      await company.idp.provision(true);
      assert.deepEqual(await state(target), before);
    });
});
