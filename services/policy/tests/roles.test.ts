import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import pg from 'pg';

import { indexDigest } from '../src/model/digest.ts';
import { GrantDesk, deskForEachTest, codeOf } from './support/grant-desk.ts';
import { ROLES, RoleDesk, SWITCHER, type RoleBody } from './support/role-desk.ts';
import type { Organization, World } from './support/world.ts';

const connected = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
};

describe("roles of an organisation's own", () => {
  let world: World;
  let org: Organization;
  let desk: GrantDesk;
  let roles: RoleDesk;
  let admin: pg.Client | undefined;

  // Before the world goes, and its database with it.
  after(async () => {
    await admin?.end();
  });
  const opened = deskForEachTest();
  beforeEach(async () => {
    desk = opened();
    ({ world, org } = desk);
    roles = new RoleDesk(desk);
    admin ??= await connected(world.database.adminUrl);
  });
  const sql = async (text: string, values: readonly unknown[] = []): Promise<unknown> =>
    await admin?.query(text, [...values]);

  const mayToggle = async (subjectId: string, environmentId = org.liveId): Promise<string> =>
    (await world.check({ orgId: org.orgId, subjectId, action: 'flag:toggle', environmentId })).reason;

  it('permit what they say, where they say it, and nothing else', async () => {
    await roles.made();
    const user = await desk.holding('switcher', { projectId: org.projectId });
    assert.equal(await mayToggle(user.id), 'GRANTED');
    assert.equal(await mayToggle(user.id, org.stagingId), 'NO_GRANT');
    const check = await world.check({
      orgId: org.orgId,
      subjectId: user.id,
      action: 'flag:toggle',
      environmentId: org.liveId,
    });
    assert.equal(check.matchedRole, 'switcher');
    assert.match(check.explanation, /^Switcher permits flag:toggle/);
    // Casbin was asked about each of them, as of every decision here.
    await world.context.shadow.settled();
    assert.equal(world.context.knowledge.organization(org.orgId)?.engine, 'index');
  });

  it('change for everybody who holds them, at once', async () => {
    const role = await roles.made();
    const user = await desk.holding('switcher', { environmentId: org.liveId });
    assert.equal(await mayToggle(user.id), 'GRANTED');
    assert.equal((await roles.update({ ...role, permissions: { production: ['flag:read'] } })).status, 200);
    assert.equal(await mayToggle(user.id), 'NO_GRANT');
    assert.equal((await roles.update(role)).status, 200);
    assert.equal(await mayToggle(user.id), 'GRANTED');
    await world.context.shadow.settled();
    assert.equal(world.context.knowledge.organization(org.orgId)?.engine, 'index');
  });

  it('are listed with every permission, and one by one with their version', async () => {
    await roles.made();
    const { body } = await world.call('GET', ROLES, { token: org.ownerToken });
    const { items } = body as { items: (RoleBody & { builtIn: boolean; version: number | null })[] };
    assert.deepEqual(
      items.map(({ key, builtIn }) => [key, builtIn]),
      [
        ...['owner', 'project_admin', 'release_manager', 'developer', 'viewer', 'auditor'].map((key) => [key, true]),
        ['switcher', false],
      ],
    );
    const empty = { organization: [], project: [], 'non-production': [] };
    assert.deepEqual(items.at(-1)?.permissions, { ...empty, ...SWITCHER.permissions });
    const one = await world.call('GET', `${ROLES}/switcher`, { token: org.ownerToken });
    assert.deepEqual([one.status, one.headers.get('etag')], [200, '"1"']);
    assert.equal((await world.call('GET', `${ROLES}/owner`, { token: org.ownerToken })).status, 200);
    for (const key of ['nobody', '__proto__', 'Switcher', 'a'.repeat(300)])
      assert.equal((await world.call('GET', `${ROLES}/${key}`, { token: org.ownerToken })).status, 404, key);
  });

  it('are changed on the version that was read (RFC 9110 §13.1.1, RFC 6585 §3)', async () => {
    const role = await roles.made();
    const renamed = { ...role, name: 'Switch' };
    assert.equal((await roles.update(renamed, org.ownerToken, '')).status, 428);
    assert.equal((await roles.update(renamed, org.ownerToken, '"2"')).status, 412);
    assert.equal((await roles.update(renamed, org.ownerToken, 'W/"1"')).status, 412);
    const first = await roles.update(renamed, org.ownerToken, '"1"');
    assert.deepEqual([first.status, first.headers.get('etag')], [200, '"2"']);
    assert.equal((await roles.update(role, org.ownerToken, '"1"')).status, 412);
    assert.equal((await roles.update(renamed, org.ownerToken, '*')).headers.get('etag'), '"2"', 'nothing changed');
    assert.equal((await roles.remove('switcher', org.ownerToken, '')).status, 428);
    assert.equal((await roles.remove('switcher', org.ownerToken, '"1"')).status, 412);
    assert.equal((await roles.remove('switcher', org.ownerToken, '"2"')).status, 204);
    assert.equal((await roles.remove('switcher', org.ownerToken, '"2"')).status, 404);
  });

  it('are not deleted while somebody holds them; what is over does not count', async () => {
    await roles.made();
    const user = await desk.holding('switcher', { projectId: org.projectId });
    const until = new Date(world.context.clock.now().getTime() + 2_000).toISOString();
    await desk.holding('switcher', { projectId: org.projectId }, until);
    await waitFor(() => world.context.clock.now().toISOString() > until, { message: 'time stands' });
    const refused = await roles.remove('switcher');
    assert.deepEqual([refused.status, codeOf(refused)], [409, 'ROLE_IN_USE']);
    assert.match(refused.text, /1 times/);
    const [grant] = (await desk.listed(`?subjectId=${user.id}`)).items;
    assert.equal((await desk.remove(org.ownerToken, grant?.id)).status, 204);
    assert.equal((await roles.remove('switcher')).status, 204);
    const actions = (await desk.audit()).map(({ entry }) => entry.action);
    assert.ok(actions.includes('role.created') && actions.includes('role.deleted') && actions.includes('grant.ended'));
  });

  it('are not deleted under a grant by the database either', async () => {
    await roles.made();
    await desk.holding('switcher', { projectId: org.projectId });
    await assert.rejects(sql('DELETE FROM policy.role WHERE org_id = $1', [org.orgId]), /granted/);
  });

  it('keep the levels at which they are granted', async () => {
    const role = await roles.made();
    await desk.holding('switcher', { projectId: org.projectId });
    assert.equal(codeOf(await roles.update({ ...role, levels: ['environment'] })), 'ROLE_IN_USE');
    assert.equal((await roles.update({ ...role, levels: ['project', 'organization'] })).status, 200);
    const outside = { subject: { type: 'user', id: (await desk.newUser()).id }, role: 'switcher' };
    assert.equal((await desk.post(org.ownerToken, { ...outside, scope: { environmentId: org.liveId } })).status, 400);
  });

  it('are one of a kind: neither key nor name is that of another or of a built-in one', async () => {
    await roles.made();
    const others: readonly (readonly [Partial<RoleBody>, number])[] = [
      [{ name: 'Other' }, 409],
      [{ key: 'other' }, 409],
      [{ key: 'other', name: 'SWITCHER' }, 409],
      [{ key: 'other', name: 'owner' }, 409],
      [{ key: 'other', name: 'Ｏｗｎｅｒ' }, 409],
      [{ key: 'owner', name: 'Other' }, 409],
      [{ key: 'auditor', name: 'Other' }, 409],
    ];
    for (const [fields, status] of others)
      assert.equal((await roles.create({ ...SWITCHER, ...fields })).status, status, JSON.stringify(fields));
    assert.equal(codeOf(await roles.update({ ...SWITCHER, key: 'owner' }, org.ownerToken, '*')), 'READ_ONLY');
    assert.equal(codeOf(await roles.remove('viewer', org.ownerToken, '*')), 'READ_ONLY');
    const elsewhere = await world.organization();
    const theirs = new RoleDesk(new GrantDesk(world, elsewhere));
    await theirs.made({ permissions: { production: ['flag:read'] } });
    const user = await desk.holding('switcher', { projectId: org.projectId });
    assert.equal(await mayToggle(user.id), 'GRANTED', 'what another organisation calls the same is nothing here');
  });

  it('are told apart by their names as the database does, or it says so', async () => {
    // A sigma at the end of a word is another letter to one of the two.
    for (const [key, name] of [
      ['capital', 'ΑΣ'],
      ['small', 'ασ'],
    ] as const) {
      const answer = await desk.post(desk.org.ownerToken, { ...SWITCHER, key, name }, ROLES);
      assert.ok(answer.status === 201 || codeOf(answer) === 'ALREADY_EXISTS', answer.text);
    }
  });

  it('are not made where grants of their key are left', async () => {
    const { id } = await desk.newUser();
    await sql(
      `INSERT INTO policy.role_grant (org_id, grant_id, subject_type, subject_id, role_key, effect, source, created_at,
                                      created_by, revision)
       VALUES ($1, $2, 'user', $2, 'switcher', 'allow', 'direct', now(), '', 1)`,
      [org.orgId, id],
    );
    assert.equal(codeOf(await roles.create(SWITCHER)), 'ROLE_IN_USE');
  });

  it('are so many and no more', async () => {
    await sql(
      `INSERT INTO policy.role SELECT $1, 'filler-' || n, 'Filler ' || n, '', '{project}', 1, 1, now(), '', now(), ''
         FROM generate_series(1, 200) AS n`,
      [org.orgId],
    );
    assert.equal(codeOf(await roles.create(SWITCHER)), 'TOO_MANY');
  });

  it('are refused typed when they make no sense', async () => {
    const wrong: readonly object[] = [
      { key: 'X' },
      { key: '1st' },
      { key: 'a' },
      { key: '__proto__' },
      { key: 'a'.repeat(64) },
      { name: '' },
      { name: 'line\nbreak' },
      { name: 'right\u202eto left' },
      { name: 'x'.repeat(101) },
      { levels: [] },
      { levels: ['galaxy'] },
      { permissions: {} },
      { permissions: { production: ['flag:everything'] } },
      { permissions: { production: ['__proto__'] } },
      { permissions: { production: ['organization:read'] } },
      { permissions: { everywhere: ['flag:read'] } },
      { permissions: { production: [['flag:read']] } },
    ];
    for (const fields of wrong)
      assert.equal((await roles.create({ ...SWITCHER, ...fields })).status, 400, JSON.stringify(fields));
  });

  it('that make no sense are left out with their holders, and nobody else notices', async () => {
    await roles.made();
    const user = await desk.holding('switcher', { projectId: org.projectId });
    const viewer = await desk.holding('viewer');
    const boss = await desk.holding('switcher', { projectId: org.projectId });
    const poison = `INSERT INTO policy.role_permission VALUES ($1, 'switcher', 'production', 'flag:of-the-future')`;
    await sql(poison, [org.orgId]);
    await sql('UPDATE policy.grants_head SET revision = revision + 1 WHERE org_id = $1', [org.orgId]);
    await waitFor(async () => (await mayToggle(user.id)) === 'NO_GRANT', { message: 'still there' });
    const { quarantined = [] } = world.context.knowledge.organization(org.orgId) ?? {};
    assert.deepEqual(quarantined.map(({ table }) => table).sort(), ['grant', 'grant', 'role']);
    const reads = await world.check({
      orgId: org.orgId,
      subjectId: viewer.id,
      action: 'flag:read',
      environmentId: org.liveId,
    });
    assert.equal(reads.reason, 'GRANTED');
    // An administrator repairs it by saying what it is; not one who holds it.
    await desk.world.grant(org, { subject: { type: 'user', id: boss.id }, role: 'owner' });
    const own = await roles.update(SWITCHER, boss.token);
    assert.deepEqual([own.status, codeOf(own)], [403, 'ESCALATION']);
    assert.equal((await roles.update(SWITCHER)).status, 200);
    assert.equal(await mayToggle(user.id), 'GRANTED');
  });

  it('that make no sense and deny hold up their organisation: the last good index stays, without a lease', async () => {
    await roles.made({ levels: ['organization'] });
    const user = await desk.holding('owner');
    const denial = { subject: { type: 'user', id: user.id }, role: 'switcher', effect: 'deny' } as const;
    await world.grant(org, denial);
    assert.equal(await mayToggle(user.id), 'EXPLICIT_DENY');
    await sql(
      `UPDATE policy.role_permission SET permission = 'flag:gone' WHERE permission = 'flag:toggle'
      AND org_id = $1`,
      [org.orgId],
    );
    await sql('UPDATE policy.grants_head SET revision = revision + 1 WHERE org_id = $1', [org.orgId]);
    await waitFor(async () => (await mayToggle(user.id)) === 'GRANTS_STALE', { message: 'decides' });
    assert.equal(world.context.knowledge.status(org.orgId).state, 'held');
    await sql(
      `UPDATE policy.role_permission SET permission = 'flag:toggle' WHERE permission = 'flag:gone'
      AND org_id = $1`,
      [org.orgId],
    );
    await sql('UPDATE policy.grants_head SET revision = revision + 1 WHERE org_id = $1', [org.orgId]);
    await waitFor(async () => (await mayToggle(user.id)) === 'EXPLICIT_DENY', { message: 'held' });
  });

  it('come to replicas as what changed, which makes the same index as everything', async () => {
    const role = await roles.made();
    await desk.holding('switcher', { projectId: org.projectId });
    await roles.made({ key: 'reader', name: 'Reader', permissions: { project: ['flag:read'] } });
    await roles.update({ ...role, permissions: { production: ['flag:read'], project: ['flag:create'] } });
    await roles.remove('reader');
    const patched = world.context.knowledge.organization(org.orgId);
    assert.ok(patched !== undefined && patched.roles.has('switcher') && !patched.roles.has('reader'));
    const digest = indexDigest(patched);
    const { policy } = world;
    await policy.stop();
    await world.startPolicy();
    await world.context.knowledge.ensure(org.orgId);
    const rebuilt = world.context.knowledge.organization(org.orgId);
    assert.ok(rebuilt !== undefined);
    assert.equal(indexDigest(rebuilt), digest);
  });
});
