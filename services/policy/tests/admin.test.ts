import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';
import { DecisionServiceClient, OperatorServiceClient, ScopeServiceClient } from '@sallyport/proto/policy/v1';
import { newId } from '@sallyport/storage';

import { World, type Organization } from './support/world.ts';

const OPTIONS = { deadlineMs: 10_000 };

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return 'OK';
  } catch (error) {
    return isAppError(error) ? error.code : String(error);
  }
};

describe('administration', () => {
  let world: World;
  let org: Organization;

  before(async () => {
    world = await World.create();
    org = await world.organization();
  });
  after(async () => {
    await world.dispose();
  });

  const evaluate = async (token: string): Promise<number> => {
    const body = {
      subject: { type: 'user', id: org.ownerId },
      action: { name: 'organization:read' },
      resource: { type: 'organization', id: org.orgId },
    };
    return (await world.call('POST', '/access/v1/evaluation', { token, body })).status;
  };

  describe('decision tokens', () => {
    it('are issued once visible, listed without secret, revoked at once', async () => {
      const issued = await world.call('POST', '/api/policy/v1/decision-tokens', {
        token: org.ownerToken,
        body: { name: 'gateway' },
      });
      assert.equal(issued.status, 201);
      const { id, token } = issued.body as { id: string; token: string };
      assert.match(token, /^sp_pdp_/);
      assert.equal(await evaluate(token), 200);
      const list = await world.call('GET', '/api/policy/v1/decision-tokens', { token: org.ownerToken });
      assert.ok(list.text.includes(id) && !list.text.includes(token));
      const revoke = (): Promise<{ status: number }> =>
        world.call('DELETE', `/api/policy/v1/decision-tokens/${id}`, { token: org.ownerToken });
      assert.equal((await revoke()).status, 204);
      assert.equal(await evaluate(token), 401);
      assert.equal((await revoke()).status, 404);
    });

    it('expire', async () => {
      const expiresAt = new Date(world.context.clock.now().getTime() + 2_000).toISOString();
      const { body } = await world.call('POST', '/api/policy/v1/decision-tokens', {
        token: org.ownerToken,
        body: { name: 'short', expiresAt },
      });
      const { token } = body as { token: string };
      while ((await evaluate(token)) !== 401);
      const past = { name: 'past', expiresAt: '2000-01-01T00:00:00Z' };
      const refused = await world.call('POST', '/api/policy/v1/decision-tokens', { token: org.ownerToken, body: past });
      assert.equal(refused.status, 400);
    });

    it("of one organisation are nobody else's business", async () => {
      const other = await world.organization();
      const { body } = await world.call('POST', '/api/policy/v1/decision-tokens', {
        token: other.ownerToken,
        body: { name: 'theirs' },
      });
      const { id } = body as { id: string };
      const foreign = await world.call('DELETE', `/api/policy/v1/decision-tokens/${id}`, { token: org.ownerToken });
      assert.equal(foreign.status, 404);
    });

    it('are for who may manage clients', async () => {
      const id = newId();
      await world.user(org.orgId, id, 'project-admin');
      await world.grant(org, { subject: { type: 'user', id }, role: 'project_admin' });
      for (const method of ['GET', 'POST', 'DELETE']) {
        const path = `/api/policy/v1/decision-tokens${method === 'DELETE' ? `/${newId()}` : ''}`;
        const body = method === 'POST' ? { body: { name: 'x' } } : {};
        assert.equal((await world.call(method, path, { token: 'project-admin', ...body })).status, 403);
      }
    });
  });

  it('roles and permissions are listed for who may grant them', async () => {
    const roles = await world.call('GET', '/api/policy/v1/roles', { token: org.ownerToken });
    assert.equal((roles.body as { items: unknown[] }).items.length, 6);
    const permissions = await world.call('GET', '/api/policy/v1/permissions', { token: org.ownerToken });
    assert.equal((permissions.body as { items: unknown[] }).items.length, 34);
    const id = newId();
    await world.user(org.orgId, id, 'inside');
    await world.grant(org, {
      subject: { type: 'user', id },
      role: 'project_admin',
      scope: { projectId: org.projectId },
    });
    assert.equal((await world.call('GET', '/api/policy/v1/roles', { token: 'inside' })).status, 403);
    const inside = await world.call('GET', `/api/policy/v1/roles?projectId=${org.projectId}`, { token: 'inside' });
    assert.equal(inside.status, 200);
    const foreign = await world.call('GET', `/api/policy/v1/roles?projectId=${newId()}`, { token: 'inside' });
    assert.equal(foreign.status, 404);
  });

  it('scopes show what the caller may see, with tiers', async () => {
    const { body } = await world.call('GET', '/api/policy/v1/scopes', { token: org.ownerToken });
    const [project] = (body as { items: { key: string; environments: { key: string; tier: string }[] }[] }).items;
    assert.equal(project?.key, 'shop');
    assert.deepEqual(Object.fromEntries(project?.environments.map(({ key, tier }) => [key, tier]) ?? []), {
      live: 'production',
      staging: 'non-production',
    });
    const one = newId();
    await world.user(org.orgId, one, 'one-environment');
    const scope = { environmentId: org.liveId };
    await world.grant(org, { subject: { type: 'user', id: one }, role: 'release_manager', scope });
    const some = await world.call('GET', '/api/policy/v1/scopes', { token: 'one-environment' });
    const { items } = some.body as { items: { key: string; environments: { key: string }[] }[] };
    assert.deepEqual(
      items.map(({ key, environments }) => [key, environments.map((each) => each.key)]),
      [['shop', ['live']]],
    );
    await world.user(org.orgId, newId(), 'nothing');
    const nothing = await world.call('GET', '/api/policy/v1/scopes', { token: 'nothing' });
    assert.deepEqual(nothing.body, { items: [], nextCursor: null });
  });

  it('check decides for a named subject, for who may read grants', async () => {
    const question = {
      subject: { type: 'user', id: org.ownerId },
      action: 'flag:toggle',
      projectId: org.projectId,
      environmentId: org.liveId,
    };
    const { status, body } = await world.call('POST', '/api/policy/v1/check', {
      token: org.ownerToken,
      body: question,
    });
    assert.equal(status, 200);
    const { decision, reason, matchedRole } = body as Record<string, string>;
    assert.deepEqual([decision, reason, matchedRole], ['allow', 'GRANTED', 'owner']);
    await world.user(org.orgId, newId(), 'curious');
    const refused = await world.call('POST', '/api/policy/v1/check', { token: 'curious', body: question });
    assert.equal(refused.status, 403);
  });

  it('the audit log is read and exported by Owners and Auditors only', async () => {
    const id = newId();
    await world.user(org.orgId, id, 'auditor');
    await world.grant(org, { subject: { type: 'user', id }, role: 'auditor' });
    const lines = await world.call('GET', '/api/policy/v1/audit/export', { token: 'auditor' });
    assert.equal(lines.status, 200);
    const entries = lines.text.trim().split('\n');
    for (const [at, line] of entries.entries()) assert.equal((JSON.parse(line) as { index: string }).index, String(at));
    await world.user(org.orgId, newId(), 'someone');
    for (const path of ['audit', 'audit/export'])
      assert.equal((await world.call('GET', `/api/policy/v1/${path}`, { token: 'someone' })).status, 403);
  });

  describe('operator', () => {
    it('creates an organisation once, with the Owner it named', async () => {
      const [orgId, ownerSubjectId] = [newId(), newId()];
      const operator = world.client(OperatorServiceClient, 'operator');
      const first = await operator.unary('createOrganization', { orgId, slug: 'one', ownerSubjectId }, OPTIONS);
      const again = { orgId, slug: 'two', ownerSubjectId: newId() };
      const second = await operator.unary('createOrganization', again, OPTIONS);
      assert.deepEqual([first.created, second.created], [true, false]);
      await world.context.knowledge.ensure(orgId);
      const index = world.context.knowledge.organization(orgId);
      assert.equal(index?.slug, 'one');
      assert.deepEqual(
        index?.grants.map(({ row }) => [row.subjectId, row.roleKey]),
        [[ownerSubjectId, 'owner']],
      );
      assert.equal(await world.context.audit.size(orgId), 2n);
    });

    it('is refused what makes no sense', async () => {
      const operator = world.client(OperatorServiceClient, 'operator');
      const create = (orgId: string, ownerSubjectId: string): Promise<string> =>
        codeOf(operator.unary('createOrganization', { orgId, slug: 's', ownerSubjectId }, OPTIONS));
      assert.equal(await create('acme', newId()), 'INVALID_REQUEST');
      assert.equal(await create(newId(), 'alice'), 'INVALID_REQUEST');
      const issue = operator.unary('issueDecisionToken', { orgId: newId(), name: 'x' }, OPTIONS);
      assert.equal(await codeOf(issue), 'NOT_FOUND');
    });
  });

  describe('scope registry', () => {
    const put = (fields: Record<string, unknown>): Promise<string> =>
      codeOf(
        world.client(ScopeServiceClient, 'flags').unary(
          'putEnvironment',
          {
            orgId: org.orgId,
            projectId: org.projectId,
            environmentId: org.stagingId,
            key: 'staging',
            tier: 1,
            deleted: false,
            sequence: 10n,
            ...fields,
          },
          OPTIONS,
        ),
      );

    it('keeps the newer of two registrations, and decides by it when the call returns', async () => {
      const question = { orgId: org.orgId, subjectId: org.ownerId, action: 'flag:toggle' };
      const environmentId = newId();
      const at = async (): Promise<string> => (await world.check({ ...question, environmentId })).reason;
      assert.equal(await at(), 'UNKNOWN_ENVIRONMENT');
      assert.equal(await put({ environmentId, key: 'qa', sequence: 5n }), 'OK');
      assert.equal(await at(), 'GRANTED');
      assert.equal(await put({ environmentId, key: 'qa', tier: 2, sequence: 7n }), 'OK');
      assert.equal(await put({ environmentId, key: 'qa', tier: 1, sequence: 6n }), 'OK');
      assert.equal(
        world.context.knowledge.organization(org.orgId)?.environments.get(environmentId)?.tier,
        'production',
      );
      assert.equal(await put({ environmentId, key: 'qa', tier: 2, deleted: true, sequence: 8n }), 'OK');
      assert.equal(await at(), 'UNKNOWN_ENVIRONMENT');
    });

    it('a change of tier changes what roles permit there', async () => {
      const [id, environmentId] = [newId(), newId()];
      await world.user(org.orgId, id, `dev-${id}`);
      await world.grant(org, { subject: { type: 'user', id }, role: 'developer' });
      assert.equal(await put({ environmentId, key: 'next', sequence: 20n }), 'OK');
      const question = { orgId: org.orgId, subjectId: id, action: 'flag:toggle', environmentId };
      assert.equal((await world.check(question)).reason, 'GRANTED');
      assert.equal(await put({ environmentId, key: 'next', tier: 2, sequence: 21n }), 'OK');
      assert.equal((await world.check(question)).reason, 'NO_GRANT');
    });

    it('refuses unknown tiers, foreign ids, moves between projects', async () => {
      assert.equal(await put({ tier: 0 }), 'INVALID_REQUEST');
      assert.equal(await put({ tier: 9 }), 'INVALID_REQUEST');
      assert.equal(await put({ environmentId: 'staging' }), 'INVALID_REQUEST');
      assert.equal(await put({ key: '' }), 'INVALID_REQUEST');
      assert.equal(await put({ orgId: newId() }), 'NOT_FOUND');
      assert.equal(await put({ orgId: 'acme' }), 'NOT_FOUND');
      assert.equal(await put({ environmentId: newId(), projectId: newId() }), 'NOT_FOUND');
      const moved = { projectId: newId(), sequence: 99n };
      assert.equal(await put(moved), 'CONFLICT');
    });
  });

  it('every RPC is refused to services that have no business with it', async () => {
    const create = { orgId: newId(), slug: 's', ownerSubjectId: newId() };
    for (const peer of ['identity', 'flags', 'policy'])
      assert.equal(
        await codeOf(world.client(OperatorServiceClient, peer).unary('createOrganization', create, OPTIONS)),
        'PERMISSION_DENIED',
        peer,
      );
    for (const peer of ['identity', 'operator']) {
      const project = { orgId: org.orgId, projectId: newId(), key: 'x', deleted: false, sequence: 1n };
      const refused = world.client(ScopeServiceClient, peer).unary('putProject', project, OPTIONS);
      assert.equal(await codeOf(refused), 'PERMISSION_DENIED', peer);
    }
    assert.equal(
      await codeOf(world.client(DecisionServiceClient, 'policy').unary('checkMany', { checks: [] }, OPTIONS)),
      'PERMISSION_DENIED',
    );
    for (const peer of ['identity', 'flags', 'operator'])
      assert.equal(
        (await world.check({ orgId: org.orgId, subjectId: org.ownerId, action: 'x' }, peer)).reason,
        'UNKNOWN_ACTION',
      );
  });
});
