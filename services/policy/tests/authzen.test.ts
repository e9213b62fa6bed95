import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { BRIEF_LEASES } from './support/brief-leases.ts';
import { AuthzenDesk, EVALUATION, EVALUATIONS, tokenOf, type Json } from './support/authzen-desk.ts';
import { World, type Answer, type CallOptions, type Organization } from './support/world.ts';

describe('AuthZEN Access Evaluation (§6)', () => {
  let world: World;
  let desk: AuthzenDesk;
  let org: Organization;
  let developer: string;

  before(async () => {
    world = await World.create(BRIEF_LEASES);
    desk = await AuthzenDesk.open(world);
    ({ org, developer } = desk);
  });
  after(async () => {
    await world.dispose();
  });

  const question = (changes: Json = {}): Json => desk.question(changes);
  const ask = async (body: unknown, options: Partial<CallOptions> = {}): Promise<Answer> =>
    await desk.post(EVALUATION, body, options);

  const decided = async (changes: Record<string, unknown>): Promise<unknown> => {
    const { status, body } = await ask(question(changes));
    assert.equal(status, 200);
    return (body as { decision: unknown }).decision;
  };

  describe('answers', () => {
    it('the bare decision, a boolean, allow and deny alike with 200 (§5.5, §6.2, §10.1.2)', async () => {
      const allowed = await ask(question());
      assert.deepEqual([allowed.status, allowed.text], [200, '{"decision":true}']);
      assert.match(allowed.headers.get('content-type') ?? '', /^application\/json/);
      const live = { type: 'flag', id: 'checkout', properties: { project: 'shop', environment: 'live' } };
      const denied = await ask(question({ resource: live }));
      assert.deepEqual([denied.status, denied.text], [200, '{"decision":false}']);
    });

    it('gives reasons when asked, in the body or by header, and leaves out what has no value (§5.5.1, §11.5)', async () => {
      for (const answer of [
        await ask(question({ options: { reasons: true } })),
        await ask(question(), { headers: { 'sallyport-reasons': 'true' } }),
      ]) {
        const { decision, context } = answer.body as { decision: boolean; context: Record<string, unknown> };
        assert.equal(decision, true);
        assert.equal(context['reason'], 'GRANTED');
        assert.equal(context['matched_role'], 'developer');
        assert.match(String(context['policy_revision']), /@s\d+\.g\d+$/);
      }
      const denied = await ask(question({ action: { name: 'flag:togle' }, options: { reasons: true } }));
      const { context } = denied.body as { context: Record<string, unknown> };
      assert.equal(context['reason'], 'UNKNOWN_ACTION');
      assert.ok(!Object.hasOwn(context, 'matched_grant'));
    });

    it('takes projects and environments by key or id, and the resource itself where it is one (§5.2)', async () => {
      const at = (type: string, id: string, properties?: Record<string, unknown>): Promise<unknown> =>
        decided({ action: { name: 'environment:read' }, resource: { type, id, ...(properties && { properties }) } });
      assert.equal(await at('environment', org.liveId), true);
      assert.equal(await at('environment', 'live', { project: 'shop' }), true);
      assert.equal(await at('environment', 'live'), false, 'a key alone names nothing');
      assert.equal(await at('project', 'shop'), true);
      assert.equal(await at('project', org.projectId), true);
      assert.equal(await at('flag', 'x', { project: org.projectId, environment: org.liveId }), true);
      assert.equal(await at('flag', 'x', { environment: org.liveId }), true);
      assert.equal(await at('flag', 'x'), false, 'without a place it is asked of the organisation');
      assert.equal(await at('project', 'Shop'), false);
      const owner = { subject: { type: 'user', id: org.ownerId }, action: { name: 'organization:read' } };
      assert.equal(await decided({ ...owner, resource: { type: 'organization', id: 'acme' } }), true);
      assert.equal(await decided({ ...owner, resource: { type: 'organization', id: org.orgId } }), true);
      assert.equal(await decided({ ...owner, resource: { type: 'organization', id: 'other' } }), false);
    });

    it('denies what is not there, what is not text and what tries to be somebody (§5.1, §5.2, §5.3)', async () => {
      const resource = (properties: Record<string, unknown>): Record<string, unknown> => ({
        resource: { type: 'flag', id: 'x', properties },
      });
      for (const changes of [
        { subject: { type: 'group', id: developer } },
        { subject: { type: 'User', id: developer } },
        { subject: { type: 'service_account', id: developer } },
        { subject: { type: 'user', id: newId() } },
        { subject: { type: 'user', id: 'x'.repeat(1_000) } },
        { subject: { type: 'user', id: 'constructor' } },
        { action: { name: 'toString' } },
        resource({ project: 'nowhere' }),
        resource({ project: 'shop', environment: 'nowhere' }),
        resource({ project: 'shop', environment: '' }),
        resource({ project: ['shop'], environment: 'staging' }),
        resource({ project: 'shop', environment: { toString: 'staging' } }),
        resource({ project: null, environment: org.stagingId }),
        resource({ project: newId(), environment: org.stagingId }),
        resource({ project: 'shop', environment: 'dev/../staging' }),
        resource({ project: 'shop', environment: 'stag*' }),
      ])
        assert.equal(await decided(changes), false, JSON.stringify(changes));
    });

    it('ignores fields it does not know (§10.1.1)', async () => {
      const extended = question({
        subject: { type: 'user', id: developer, properties: { department: 'x' }, future: 1 },
        context: { time: '2026-01-01T00:00:00Z' },
        future: { deep: [1, { a: null }] },
      });
      assert.equal((await ask(extended)).text, '{"decision":true}');
    });
  });

  it('400 for a missing or mistyped subject, action or resource (§6.1, §10.1.1)', async () => {
    for (const changes of [
      { subject: undefined },
      { subject: 'alice' },
      { subject: { type: 'user' } },
      { subject: { id: desk.developer } },
      { subject: { type: 'user', id: '' } },
      { subject: { type: 'user', id: ['alice'] } },
      { subject: { type: 'user', id: 7 } },
      { subject: { type: 'user', id: desk.developer, properties: [] } },
      { action: undefined },
      { action: 'flag:toggle' },
      { action: {} },
      { action: { name: ['flag:toggle'] } },
      { action: { name: 'flag:toggle', properties: 'x' } },
      { resource: undefined },
      { resource: { type: 'flag' } },
      { resource: { id: 'checkout' } },
      { resource: null },
      { context: 'now' },
    ])
      assert.match(await desk.refused(EVALUATION, desk.question(changes)), /\/(?:subject|action|resource|context)/);
  });

  it('answers for the organisation of the token only', async () => {
    const other = await world.organization();
    const foreign = await tokenOf(world, other);
    assert.equal((await ask(question(), { token: foreign })).text, '{"decision":false}');
    assert.equal((await ask(question())).text, '{"decision":true}');
  });

  it('every denial is in the decision log, with the token that asked and the request it was asked in', async () => {
    const path = '/api/policy/v1/decision-tokens';
    const made = await world.call('POST', path, { token: org.ownerToken, body: { name: 'recorded' } });
    const { id, token } = made.body as { id: string; token: string };
    const denied = [desk.flag('live'), desk.flag('nowhere')];
    for (const [at, resource] of denied.entries()) {
      const requestId = newId();
      const headers = { 'x-request-id': requestId };
      const evaluations = [question({ resource }), question({ resource })];
      if (at === 0) await ask(question({ resource }), { token, headers });
      else await desk.post(EVALUATIONS, { evaluations }, { token, headers });
      await world.context.decisionLog.flush();
      const listed = await world.call('GET', `/api/policy/v1/decisions?requestId=${requestId}`, {
        token: org.ownerToken,
      });
      const { items } = listed.body as { items: readonly Json[] };
      const reason = at === 0 ? 'NO_GRANT' : 'UNKNOWN_ENVIRONMENT';
      const asker = { kind: 'decision-token', id };
      assert.deepEqual(
        items.map((item) => [item['asker'], item['decision'], item['reason'], item['action']]),
        Array.from({ length: at + 1 }, () => [asker, 'deny', reason, 'flag:toggle']),
      );
    }
  });

  it('denies, and says so, when its knowledge is too old', async () => {
    world.identity.isSilent = true;
    let context: Record<string, unknown> = {};
    while (context['reason'] !== 'STANDING_STALE') {
      const { status, body } = await ask(question({ options: { reasons: true } }));
      assert.equal(status, 200);
      context = (body as { context: Record<string, unknown> }).context;
    }
    world.identity.isSilent = false;
    while ((await ask(question())).text !== '{"decision":true}');
  });
});
