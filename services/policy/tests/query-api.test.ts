import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { World, type Organization } from './support/world.ts';

const BASE = '/api/policy/v1';

/** What any of them may answer; each answers its own part. */
interface Answered extends Explained, Listed {
  readonly code?: string;
}

interface Explained {
  readonly decision: string;
  readonly cause: string;
  readonly reason: string;
  readonly text: string;
  readonly details: { readonly grant: { readonly id: string } | null } | null;
}

interface Listed {
  readonly items: readonly { readonly id: string; readonly action: string; readonly type: string }[];
  readonly nextCursor: string | null;
  readonly complete: boolean;
  readonly total: number;
  readonly revision: string;
}

describe('questions about the policy over HTTP', () => {
  let world: World;
  let org: Organization;
  let memberId: string;
  let grantId: string;

  before(async () => {
    world = await World.create();
    org = await world.organization();
    memberId = newId();
    await world.user(org.orgId, memberId, 'member');
    grantId = await world.grant(org, {
      subject: { type: 'user', id: memberId },
      role: 'developer',
      scope: { projectId: org.projectId },
    });
  });
  after(async () => {
    await world.dispose();
  });

  const post = async (path: string, token: string, asked: object) => {
    const { status, body } = await world.call('POST', `${BASE}${path}`, { token, body: asked });
    return { status, body: body as Answered, code: (body as Answered).code ?? '' };
  };
  const live = () => ({ projectId: org.projectId, environmentId: org.liveId });
  const staging = () => ({ projectId: org.projectId, environmentId: org.stagingId });
  const member = () => ({ subject: { type: 'user', id: memberId } });

  it('answer everybody what they may do themselves, and where', async () => {
    const actions = await post('/list/actions', 'member', staging());
    assert.equal(actions.status, 200);
    assert.ok(actions.body.items.some(({ action }) => action === 'flag:toggle'));
    const inLive = await post('/list/actions', 'member', live());
    assert.ok(!inLive.body.items.some(({ action }) => action === 'flag:toggle'));
    const named = await post('/list/actions', 'member', { ...staging(), ...member() });
    assert.deepEqual(named.body.items, actions.body.items);
    const where = await post('/list/resources', 'member', { action: 'flag:toggle' });
    assert.deepEqual(
      where.body.items.map(({ type, id }) => [type, id]),
      [['environment', org.stagingId]],
    );
    assert.deepEqual([where.body.total, where.body.complete, where.body.nextCursor], [1, true, null]);
  });

  it('answer about others, and who may do something, to who may see grants there', async () => {
    const subjects = { action: 'flag:toggle', ...staging(), limit: 1 };
    const first = await post('/list/subjects', org.ownerToken, subjects);
    assert.deepEqual([first.status, first.body.total, first.body.complete], [200, 2, false]);
    const second = await post('/list/subjects', org.ownerToken, { ...subjects, cursor: first.body.nextCursor });
    assert.deepEqual(
      new Set([...first.body.items, ...second.body.items].map(({ id }) => id)),
      new Set([org.ownerId, memberId]),
    );
    assert.equal((await post('/list/actions', org.ownerToken, { ...member(), ...staging() })).status, 200);
    assert.equal((await post('/list/resources', org.ownerToken, { ...member(), action: 'flag:read' })).status, 200);

    const owner = { subject: { type: 'user', id: org.ownerId } };
    for (const [path, body] of [
      ['/list/subjects', { action: 'flag:toggle', ...staging() }],
      ['/list/actions', { ...owner, ...staging() }],
      ['/list/resources', { ...owner, action: 'flag:read' }],
      ['/explain', { ...owner, action: 'flag:read', ...staging() }],
      ['/explain', { audience: 'administrator', action: 'flag:read', ...staging() }],
    ] as const)
      assert.deepEqual([(await post(path, 'member', body)).status, path], [403, path]);
  });

  it('let who administers a project ask about that project, and no other place', async () => {
    const [adminId, project] = [newId(), { projectId: org.projectId }];
    await world.user(org.orgId, adminId, 'project-admin');
    await world.grant(org, { subject: { type: 'user', id: adminId }, role: 'project_admin', scope: project });
    const ask = async (body: object): Promise<number> =>
      (await post('/list/subjects', 'project-admin', { action: 'flag:read', ...body })).status;
    assert.equal(await ask(staging()), 200);
    assert.equal(await ask({}), 403);
    const resources = { ...member(), action: 'flag:read' };
    assert.equal((await post('/list/resources', 'project-admin', resources)).status, 403);
    assert.equal((await post('/list/resources', 'project-admin', { ...resources, ...project })).status, 200);
  });

  it('explain to the subject without ids, and to administrators with them', async () => {
    const denied = { action: 'flag:toggle', ...live() };
    const own = await post('/explain', 'member', denied);
    assert.deepEqual(
      [own.status, own.body.decision, own.body.cause, own.body.details],
      [200, 'deny', 'WRONG_TIER', null],
    );
    for (const id of [grantId, memberId, org.projectId, org.liveId]) assert.ok(!own.body.text.includes(id));
    const told = await post('/explain', org.ownerToken, { ...member(), ...denied });
    assert.deepEqual([told.body.cause, told.body.details?.grant?.id], ['WRONG_TIER', grantId]);
    assert.ok(told.body.text.includes(grantId));
    const forSubject = await post('/explain', org.ownerToken, {
      ...member(),
      ...denied,
      audience: 'subject',
    });
    assert.deepEqual([forSubject.body.text, forSubject.body.details], [own.body.text, null]);
    const allowed = await post('/explain', 'member', { action: 'flag:toggle', ...staging() });
    assert.deepEqual([allowed.body.decision, allowed.body.cause], ['allow', 'GRANTED']);
  });

  it('know nobody and nothing of another organisation', async () => {
    const other = await world.organization();
    const theirs = { subject: { type: 'user', id: other.ownerId }, action: 'organization:read' };
    const explained = await post('/explain', org.ownerToken, theirs);
    assert.deepEqual([explained.body.decision, explained.body.cause], ['deny', 'SUBJECT_UNKNOWN']);
    const resources = await post('/list/resources', org.ownerToken, theirs);
    assert.deepEqual(resources.body.items, []);
    const there = { projectId: other.projectId, environmentId: other.liveId };
    assert.equal((await post('/list/subjects', org.ownerToken, { action: 'flag:read', ...there })).status, 404);
    const actions = await post('/list/actions', org.ownerToken, there);
    assert.deepEqual(actions.body.items, []);
    const begun = await post('/list/subjects', other.ownerToken, { action: 'organization:read', limit: 1 });
    assert.equal(begun.body.nextCursor, null);
    const revision = { atLeastAsFresh: begun.body.revision, action: 'organization:read' };
    assert.equal((await post('/list/subjects', org.ownerToken, revision)).code, 'INVALID_REQUEST');
  });

  it('want a credential that was given for looking around', async () => {
    world.identity.allow('limited', { orgId: org.orgId, subjectId: memberId, scopes: ['flag:read'] });
    for (const [path, body] of [
      ['/list/actions', staging()],
      ['/list/resources', { action: 'flag:read' }],
      ['/explain', { action: 'flag:read', ...staging() }],
    ] as const)
      assert.deepEqual([(await post(path, 'limited', body)).status, path], [403, path]);
  });

  it('see a person as it is signed in now, whatever it says of itself', async () => {
    const subjectId = newId();
    world.identity.allow('keyed', { orgId: org.orgId, subjectId, amr: ['hwk'] });
    world.identity.allow('unkeyed', { orgId: org.orgId, subjectId, amr: ['pwd'] });
    await world.applied(org.orgId, world.identity.commit(org.orgId, [{ subjectId }]));
    await world.grant(org, {
      subject: { type: 'user', id: subjectId },
      role: 'release_manager',
      scope: { projectId: org.projectId },
      condition: { property: 'subject.amr', operator: 'contains', value: 'hwk' },
    });
    const claim = {
      subject: { type: 'user', id: subjectId, properties: { amr: ['hwk'] } },
      action: 'flag:toggle',
      ...live(),
    };
    assert.equal((await post('/explain', 'keyed', claim)).body.decision, 'allow');
    const unmet = await post('/explain', 'unkeyed', claim);
    assert.deepEqual([unmet.body.decision, unmet.body.cause], ['deny', 'CONDITION_NOT_MET']);
    const where = await post('/list/resources', 'unkeyed', { action: 'flag:toggle', subject: claim.subject });
    assert.deepEqual(where.body.items, []);
    const others = await post('/explain', org.ownerToken, claim);
    assert.equal(others.body.decision, 'allow', 'about others it is answered on what is said of them');
  });

  it('answer a sign-in of an earlier epoch nothing, whoever still takes it for valid', async () => {
    const subjectId = newId();
    world.identity.allow('outdated', { orgId: org.orgId, subjectId, epoch: 1n });
    const position = world.identity.commit(org.orgId, [{ subjectId, epoch: 2n }]);
    await world.applied(org.orgId, position);
    const project = { projectId: org.projectId };
    await world.grant(org, { subject: { type: 'user', id: subjectId }, role: 'viewer', scope: project });
    assert.deepEqual((await post('/list/actions', 'outdated', project)).body.items, []);
    assert.deepEqual((await post('/list/resources', 'outdated', { action: 'flag:read' })).body.items, []);
    const explained = await post('/explain', 'outdated', { action: 'flag:read', ...project });
    assert.equal(explained.body.cause, 'SUBJECT_REVOKED');
  });

  it('are decided as freshly as asked', async () => {
    const reason = async (atLeastAsFresh: string): Promise<string> =>
      (await post('/check', org.ownerToken, { ...member(), action: 'flag:read', ...staging(), atLeastAsFresh })).body
        .reason;
    assert.equal(await reason(`${org.orgId}@s1.g1`), 'GRANTED');
    assert.equal(await reason(`${org.orgId}@s1.g999999`), 'GRANTS_STALE');
    assert.equal(await reason(`${newId()}@s1.g1`), 'INVALID_REQUEST');
  });

  it('refuse what is not a question', async () => {
    const pages = { action: 'flag:read', limit: 1_001 };
    assert.equal((await post('/list/subjects', org.ownerToken, pages)).status, 400);
    const group = { subject: { type: 'group', id: newId() }, action: 'flag:read' };
    assert.equal((await post('/explain', org.ownerToken, group)).status, 400);
    const cursor = { action: 'flag:read', cursor: 'x' };
    assert.equal((await post('/list/subjects', org.ownerToken, cursor)).code, 'INVALID_CURSOR');
    assert.equal((await world.call('POST', `${BASE}/explain`, { body: { action: 'flag:read' } })).status, 401);
  });
});
