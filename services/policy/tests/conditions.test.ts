import assert from 'node:assert/strict';

import { OperatorServiceClient } from '@sallyport/proto/policy/v1';

import { GRANTS, GrantDesk } from './support/grant-desk.ts';
import { World, type Organization } from './support/world.ts';

const OFFICE = { property: 'context.ip', operator: 'inNetwork', value: ['192.0.2.0/24'] };
const STRONG = { property: 'subject.amr', operator: 'contains', value: 'hwk' };

describe('conditional grants', () => {
  let world: World;
  let org: Organization;
  let desk: GrantDesk;

  before(async () => {
    world = await World.create();
    org = await world.organization();
    desk = new GrantDesk(world, org);
  });
  after(async () => {
    await world.dispose();
  });

  it('decide by the properties of the question, over gRPC, AuthZEN and HTTP alike', async () => {
    const user = await desk.newUser();
    const grant = await world.grant(org, {
      subject: { type: 'user', id: user.id },
      role: 'developer',
      scope: { projectId: org.projectId },
      condition: OFFICE,
    });
    const question = { orgId: org.orgId, subjectId: user.id, action: 'flag:toggle', environmentId: org.stagingId };
    const inside = { context: { ip: '192.0.2.7' } };
    const allowed = await world.check({ ...question, given: inside });
    assert.deepEqual([allowed.reason, allowed.matchedGrant], ['GRANTED', grant]);
    const outside = await world.check({ ...question, given: { context: { ip: '198.51.100.1' } } });
    assert.equal(outside.reason, 'CONDITION_NOT_MET');
    assert.equal(
      outside.explanation,
      'Developer permits flag:toggle in a non-production environment, but only on a condition (context.ip).',
    );
    assert.equal((await world.check(question)).reason, 'CONDITION_NOT_MET', 'a missing property is not met');

    const issued = await world
      .client(OperatorServiceClient, 'operator')
      .unary('issueDecisionToken', { orgId: org.orgId, name: 'gateway' }, { deadlineMs: 10_000 });
    const evaluated = async (context: object): Promise<unknown> =>
      (
        await world.call('POST', '/access/v1/evaluation', {
          token: issued.token,
          body: {
            subject: { type: 'user', id: user.id },
            action: { name: 'flag:toggle' },
            resource: { type: 'flag', id: 'x', properties: { project: 'shop', environment: 'staging' } },
            context,
          },
        })
      ).body;
    assert.deepEqual(await evaluated({ ip: '192.0.2.7' }), { decision: true });
    assert.deepEqual(await evaluated({ ip: ['192.0.2.7'] }), { decision: false });
    assert.deepEqual(await evaluated({}), { decision: false });

    const asked = async (context: object): Promise<unknown> =>
      (
        (
          await world.call('POST', '/api/policy/v1/check', {
            token: org.ownerToken,
            body: {
              subject: { type: 'user', id: user.id },
              action: 'flag:toggle',
              environmentId: org.stagingId,
              context,
            },
          })
        ).body as { reason: unknown }
      ).reason;
    assert.deepEqual([await asked(inside.context), await asked({})], ['GRANTED', 'CONDITION_NOT_MET']);
  });

  it('of which a denial applies unless its condition is surely not met', async () => {
    const user = await desk.holding('developer');
    await world.grant(org, {
      subject: { type: 'user', id: user.id },
      role: 'developer',
      effect: 'deny',
      condition: { not: OFFICE },
    });
    const question = { orgId: org.orgId, subjectId: user.id, action: 'flag:toggle', environmentId: org.stagingId };
    const reason = async (ip?: string): Promise<string> =>
      (await world.check({ ...question, given: { context: ip === undefined ? {} : { ip } } })).reason;
    assert.deepEqual(
      [await reason('192.0.2.7'), await reason('198.51.100.1'), await reason(), await reason('nowhere')],
      ['GRANTED', 'EXPLICIT_DENY', 'EXPLICIT_DENY', 'EXPLICIT_DENY'],
    );
  });

  it('bind administrators by how they signed in, and are not passed on without their condition', async () => {
    const admin = await desk.newUser();
    await world.grant(org, { subject: { type: 'user', id: admin.id }, role: 'owner', condition: STRONG });
    const viewer = { subject: { type: 'user', id: (await desk.newUser()).id }, role: 'viewer' };
    const weak = await desk.post(admin.token, viewer);
    assert.equal(weak.status, 403, weak.text);
    world.identity.allow('strong', { orgId: org.orgId, subjectId: admin.id, amr: ['pwd', 'hwk'] });
    // The condition looks at the subject: for somebody else it would be another one, so nothing can be passed on.
    assert.equal(await desk.refused('strong', viewer), 'ESCALATION');
    assert.equal(await desk.refused('strong', { ...viewer, condition: STRONG }), 'ESCALATION');

    const near = await desk.newUser();
    const here = { property: 'context.ip', operator: 'inNetwork', value: ['127.0.0.0/8', '::1'] };
    await world.grant(org, { subject: { type: 'user', id: near.id }, role: 'owner', condition: here });
    assert.equal(await desk.refused(near.token, viewer), 'ESCALATION');
    assert.equal(await desk.refused(near.token, { ...viewer, condition: OFFICE }), 'ESCALATION');
    const passed = await desk.post(near.token, { ...viewer, condition: { all: [OFFICE, here] } });
    assert.equal(passed.status, 201, passed.text);
  });

  it('are refused with the place of what is wrong', async () => {
    const subject = { type: 'user', id: (await desk.newUser()).id };
    const problems = async (fields: object): Promise<unknown> => {
      const { status, body } = await desk.post(org.ownerToken, { subject, role: 'developer', ...fields });
      const { errors } = body as { errors: readonly { pointer: string; code: string }[] };
      return [status, ...errors.map(({ pointer, code }) => `${pointer} ${code}`)];
    };
    assert.deepEqual(await problems({ condition: { all: [OFFICE, { ...OFFICE, value: ['10.0.0.1/8'] }] } }), [
      400,
      '/condition/all/1/value/0 INVALID_NETWORK',
    ]);
    assert.deepEqual(await problems({ condition: { ...OFFICE, operator: 'regexMatch' } }), [
      400,
      '/condition/operator UNKNOWN_OPERATOR',
    ]);
    assert.deepEqual(await problems({ resourceType: 'key' }), [400, '/resourceType GIVES_NOTHING']);
    assert.deepEqual(await problems({ scope: { environmentId: org.liveId }, tier: 'non-production' }), [
      400,
      '/tier GIVES_NOTHING',
    ]);
  });

  it('are shown and recorded as they were given; two that differ in nothing but the condition are two', async () => {
    const user = await desk.newUser();
    const narrowed = {
      subject: { type: 'user', id: user.id },
      role: 'developer',
      tier: 'non-production' as const,
      resourceType: 'flag',
      condition: { all: [STRONG, OFFICE] },
    };
    const id = await world.grant(org, narrowed);
    const { body } = await world.call('GET', `${GRANTS}?subjectId=${user.id}`, { token: org.ownerToken });
    const [shown] = (body as { items: readonly Record<string, unknown>[] }).items;
    assert.deepEqual(
      [shown?.['tier'], shown?.['resourceType'], shown?.['condition']],
      [narrowed.tier, narrowed.resourceType, narrowed.condition],
    );
    const entry = (await desk.audit()).find((each) => each.entry.target.id === id)?.entry;
    assert.equal(entry?.after?.['condition'], JSON.stringify(narrowed.condition));
    assert.equal(entry.after['tier'], 'non-production');
    assert.equal(await desk.refused(org.ownerToken, narrowed), 'ALREADY_EXISTS');
    await world.grant(org, { ...narrowed, condition: OFFICE });
  });

  it('narrowed to a tier or a type reach nothing else', async () => {
    const user = await desk.newUser();
    await world.grant(org, { subject: { type: 'user', id: user.id }, role: 'release_manager', tier: 'production' });
    await world.grant(org, { subject: { type: 'user', id: user.id }, role: 'developer', resourceType: 'change' });
    const reason = async (action: string, environmentId: string): Promise<string> =>
      (await world.check({ orgId: org.orgId, subjectId: user.id, action, environmentId })).reason;
    assert.equal(await reason('flag:toggle', org.liveId), 'GRANTED');
    assert.equal(await reason('flag:toggle', org.stagingId), 'NO_GRANT');
    assert.equal(await reason('change:create', org.stagingId), 'GRANTED');
    assert.equal(await reason('flag:edit', org.stagingId), 'NO_GRANT');
  });

  it('that only a condition makes Owner do not keep an organisation', async () => {
    const own = await world.organization();
    const there = new GrantDesk(world, own);
    const second = await there.newUser();
    await world.grant(own, { subject: { type: 'user', id: second.id }, role: 'owner', condition: OFFICE });
    const third = await there.newUser();
    const lasting = await world.grant(own, { subject: { type: 'user', id: third.id }, role: 'owner' });
    const first = (await there.listed(`?subjectId=${own.ownerId}`)).items[0]?.id;
    assert.equal((await there.remove(third.token, first)).status, 204);
    const fourth = await there.newUser();
    await world.call('POST', GRANTS, {
      token: third.token,
      body: { subject: { type: 'user', id: fourth.id }, role: 'owner', validUntil: '2999-01-01T00:00:00Z' },
    });
    const answer = await there.remove(fourth.token, lasting);
    assert.equal(answer.status, 403 + 6, answer.text);
  });
});
