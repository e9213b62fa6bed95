import assert from 'node:assert/strict';

import { GRANTS, MAPPINGS, codeOf } from './support/grant-desk.ts';
import { PROTECTIONS, ProposalDesk, type ProposalBody } from './support/proposal-desk.ts';
import { World, type Answer } from './support/world.ts';

const ROLES = '/api/policy/v1/roles';
const REQUESTS = '/api/policy/v1/access-requests';
const HOUR_MS = 60 * 60 * 1_000;

describe('protections', () => {
  let world: World;
  let desk: ProposalDesk;

  before(async () => {
    world = await World.create();
  });
  beforeEach(async () => {
    desk = await ProposalDesk.open(world);
  });
  after(async () => {
    await world.dispose();
  });

  it('let nobody give or take a role alone in, around and inside the scope', async () => {
    const user = await desk.newUser();
    const given = await world.grant(desk.org, desk.grantTo(user));
    const elsewhere = { environmentId: desk.org.stagingId };
    const groupId = await desk.newGroup();
    await desk.protect();
    const project = { projectId: desk.org.projectId };
    for (const scope of [desk.live, project, {}]) {
      const more = { role: 'viewer', scope };
      assert.equal(
        await desk.refused(desk.org.ownerToken, desk.grantTo(user, more)),
        'APPROVAL_REQUIRED',
        JSON.stringify(scope),
      );
      const mapping = { groupId, role: 'viewer', scope };
      assert.equal(await desk.refused(desk.org.ownerToken, mapping, MAPPINGS), 'APPROVAL_REQUIRED');
    }
    const denial = desk.grantTo(user, { role: 'viewer', effect: 'deny' });
    assert.equal(await desk.refused(desk.org.ownerToken, denial), 'APPROVAL_REQUIRED');
    const removal = await desk.remove(desk.org.ownerToken, given);
    assert.deepEqual([removal.status, codeOf(removal)], [409, 'APPROVAL_REQUIRED']);
    assert.match(removal.text, /\/api\/policy\/v1\/proposals/);
    assert.equal((await desk.post(desk.org.ownerToken, desk.grantTo(user, { scope: elsewhere }), GRANTS)).status, 201);
    const denied = (await desk.audit()).filter(({ entry }) => entry.reason === 'APPROVAL_REQUIRED');
    assert.equal(denied.length, 8);
  });

  it('are lifted and weakened by proposals; only making them stricter needs nobody else', async () => {
    const protectionId = await desk.protect();
    const path = `${PROTECTIONS}/${protectionId}`;
    const patch = async (requiredApprovals: number): Promise<Answer> =>
      await world.call('PATCH', path, { token: desk.org.ownerToken, body: { requiredApprovals } });
    assert.equal((await patch(2)).status, 200);
    assert.equal(codeOf(await patch(1)), 'APPROVAL_REQUIRED');
    assert.equal((await patch(0)).status, 400);
    assert.equal(codeOf(await patch(3)), 'CONFLICT');
    const lift = await desk.proposed({ kind: 'protection.change', protectionId, requiredApprovals: 0 });
    await desk.done(desk.owners[1].token, 'approve', lift);
    assert.equal(codeOf(await desk.act(desk.owners[0].token, 'apply', lift)), 'APPROVAL_REQUIRED');
    await desk.done(desk.owners[2].token, 'approve', lift);
    await desk.done(desk.owners[0].token, 'apply', lift);
    assert.equal((await desk.post(desk.org.ownerToken, desk.grantTo(await desk.newUser()))).status, 201);
    assert.equal(await desk.protect(), protectionId);
    const list = await world.call('GET', PROTECTIONS, { token: desk.org.ownerToken });
    assert.equal((list.body as { items: unknown[] }).items.length, 1);
  });

  it('are made only by who administers the organisation, and never so that nobody could lift them', async () => {
    const admin = await desk.holding('project_admin', { projectId: desk.org.projectId });
    const body = { scope: { projectId: desk.org.projectId }, requiredApprovals: 1 };
    assert.equal(codeOf(await desk.post(admin.token, body, PROTECTIONS)), 'PERMISSION_DENIED');
    assert.equal(
      codeOf(await desk.post(desk.org.ownerToken, { ...body, requiredApprovals: 3 }, PROTECTIONS)),
      'CONFLICT',
    );
    await desk.protect(1, { projectId: desk.org.projectId });
    assert.equal(codeOf(await desk.post(desk.org.ownerToken, body, PROTECTIONS)), 'ALREADY_EXISTS');
    const rival = await world.organization();
    assert.equal((await desk.post(rival.ownerToken, body, PROTECTIONS)).status, 404);
  });

  it('leave access requests to more than one administrator', async () => {
    await desk.protect();
    const engineer = await desk.newUser();
    const validUntil = new Date(world.context.clock.now().getTime() + HOUR_MS).toISOString();
    const wish = { role: 'release_manager', scope: desk.live, validUntil, reason: 'The checkout is down.' };
    const { id, hash } = (await desk.post(engineer.token, wish, REQUESTS)).body as ProposalBody;
    const alone = await world.call('POST', `${REQUESTS}/${id}/approve`, { token: desk.org.ownerToken, body: { hash } });
    assert.equal(codeOf(alone), 'APPROVAL_REQUIRED');
    const proposal = await desk.proposed({ kind: 'access-request.approve', requestId: id });
    await desk.done(desk.owners[1].token, 'approve', proposal);
    const { resultId } = await desk.done(desk.owners[0].token, 'apply', proposal);
    const { body } = await world.call('GET', `${REQUESTS}/${id}`, { token: engineer.token });
    const request = body as { state: string; grant: { id: string } };
    assert.deepEqual([request.state, request.grant.id], ['approved', resultId]);
  });

  it('hold up changes of roles and the end of separation rules; proposals make them', async () => {
    const permissions = { production: ['flag:read'] };
    const role = { key: 'looker', name: 'Looker', levels: ['environment'], permissions };
    const owner = desk.org.ownerToken;
    await desk.protect();
    const agreed = async (change: object): Promise<ProposalBody> => {
      const proposal = await desk.proposed(change);
      await desk.done(desk.owners[1].token, 'approve', proposal);
      return await desk.done(owner, 'apply', proposal);
    };
    await agreed({ kind: 'role.create', role });
    const path = `${ROLES}/looker`;
    const { key, ...body } = role;
    const more = { ...body, permissions: { production: ['flag:read', 'flag:toggle'] } };
    const headers = { 'if-match': '*' };
    const user = await desk.newUser();
    const given = await agreed({ kind: 'grant.create', grant: desk.grantTo(await desk.newUser(), { role: key }) });
    assert.equal(codeOf(await world.call('PUT', path, { token: owner, body: more, headers })), 'APPROVAL_REQUIRED');
    const before = await desk.proposed({ kind: 'grant.create', grant: desk.grantTo(user, { role: key }) });
    await desk.done(desk.owners[1].token, 'approve', before);
    await agreed({ kind: 'role.update', key, role: more });
    // Agreed to while the role meant less.
    assert.equal(codeOf(await desk.act(owner, 'apply', before)), 'STALE_BASE');
    assert.equal(codeOf(await desk.act(desk.owners[2].token, 'approve', before)), 'STALE_BASE');
    await agreed({ kind: 'grant.delete', grantId: String(given.resultId) });
    await agreed({ kind: 'role.delete', key });
    const rule = { name: 'Either', roles: ['developer', 'release_manager'] };
    const made = await desk.post(owner, rule, '/api/policy/v1/separation-rules');
    assert.equal(made.status, 201, made.text);
    const { id: ruleId } = made.body as ProposalBody;
    const removal = await world.call('DELETE', `/api/policy/v1/separation-rules/${ruleId}`, { token: owner });
    assert.equal(codeOf(removal), 'APPROVAL_REQUIRED');
    assert.equal((await agreed({ kind: 'separation-rule.delete', ruleId })).state, 'applied');
  });

  it('let nobody propose or agree to a role beyond what they hold', async () => {
    await desk.protect();
    const denied = { subject: { type: 'user', id: desk.owners[1].id }, role: 'auditor', effect: 'deny' };
    const denial = await desk.proposed({ kind: 'grant.create', grant: denied });
    await desk.done(desk.owners[2].token, 'approve', denial);
    await desk.done(desk.org.ownerToken, 'apply', denial);
    const wider = { key: 'all', name: 'All', levels: ['organization'], permissions: { organization: ['audit:read'] } };
    assert.equal(
      codeOf(await desk.proposing(desk.owners[1].token, { kind: 'role.create', role: wider })),
      'ESCALATION',
    );
    const proposal = await desk.proposed({ kind: 'role.create', role: wider });
    assert.equal(codeOf(await desk.act(desk.owners[1].token, 'approve', proposal)), 'ESCALATION');
    assert.equal((await desk.done(desk.owners[2].token, 'approve', proposal)).state, 'in_review');
  });

  it('hold up nothing the service does by itself: who is removed loses everything', async () => {
    const user = await desk.newUser();
    await world.grant(desk.org, desk.grantTo(user));
    await desk.protect();
    const removed = { subjectId: user.id, active: false, epoch: 2n, removedEpoch: 2n };
    await world.applied(desk.org.orgId, world.identity.commit(desk.org.orgId, [removed]));
    const question = {
      orgId: desk.org.orgId,
      subjectId: user.id,
      action: 'flag:toggle',
      environmentId: desk.org.liveId,
    };
    assert.equal((await world.check(question)).reason, 'SUBJECT_REVOKED');
    for (let left = 1; left > 0;) left = await desk.holds(user);
  });
});
