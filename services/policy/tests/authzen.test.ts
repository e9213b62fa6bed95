import assert from 'node:assert/strict';

import { OperatorServiceClient } from '@sallyport/proto/policy/v1';
import { newId } from '@sallyport/storage';

import { ORIGIN, World, type Answer, type CallOptions, type Organization } from './support/world.ts';

const PATH = '/access/v1/evaluation';

describe('AuthZEN Authorization API 1.0', () => {
  let world: World;
  let org: Organization;
  let token: string;
  let developer: string;

  before(async () => {
    world = await World.create();
    org = await world.organization();
    token = await tokenOf(org);
    developer = newId();
    await world.user(org.orgId, developer, 'developer');
    await world.grant(org, {
      subject: { type: 'user', id: developer },
      role: 'developer',
      scope: { projectId: org.projectId },
    });
  });
  after(async () => {
    await world.dispose();
  });

  const tokenOf = async ({ orgId }: Organization): Promise<string> => {
    const client = world.client(OperatorServiceClient, 'operator');
    return (await client.unary('issueDecisionToken', { orgId, name: 'gateway' }, { deadlineMs: 5_000 })).token;
  };

  const question = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
    subject: { type: 'user', id: developer },
    action: { name: 'flag:toggle' },
    resource: { type: 'flag', id: 'checkout', properties: { project: 'shop', environment: 'staging' } },
    ...changes,
  });

  const ask = async (body: unknown, options: Partial<CallOptions> = {}): Promise<Answer> =>
    await world.call('POST', PATH, { token, body, ...options });

  const decided = async (changes: Record<string, unknown>): Promise<unknown> => {
    const { status, body } = await ask(question(changes));
    assert.equal(status, 200);
    return (body as { decision: unknown }).decision;
  };

  describe('Access Evaluation (§6)', () => {
    it('answers the bare decision, allow and deny alike with 200', async () => {
      const allowed = await ask(question());
      assert.deepEqual([allowed.status, allowed.text], [200, '{"decision":true}']);
      assert.match(allowed.headers.get('content-type') ?? '', /^application\/json/);
      const live = { type: 'flag', id: 'checkout', properties: { project: 'shop', environment: 'live' } };
      const denied = await ask(question({ resource: live }));
      assert.deepEqual([denied.status, denied.text], [200, '{"decision":false}']);
    });

    it('gives reasons when asked, in the body or by header', async () => {
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

    it('takes projects and environments by key or id, and the resource itself where it is one', async () => {
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

    it('denies what is not there, what is not text and what tries to be somebody', async () => {
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

    it('ignores fields it does not know (§5)', async () => {
      const extended = question({
        subject: { type: 'user', id: developer, properties: { department: 'x' }, future: 1 },
        context: { time: '2026-01-01T00:00:00Z' },
        future: { deep: [1, { a: null }] },
      });
      assert.equal((await ask(extended)).text, '{"decision":true}');
    });
  });

  describe('errors (§10.1.2)', () => {
    it('400 for a wrong or missing content type', async () => {
      const body = JSON.stringify(question());
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', ''])
        assert.equal((await ask(body, { headers: { 'content-type': type } })).status, 400, type);
      const charset = { 'content-type': 'application/json; charset=utf-8' };
      assert.equal((await ask(body, { headers: charset })).status, 200);
    });

    it('400 for an empty body, malformed JSON, another top level, wrong types, missing fields', async () => {
      const bodies: readonly unknown[] = [
        '',
        '{',
        'null',
        '[]',
        '"x"',
        '7',
        {},
        [question()],
        question({ subject: undefined }),
        question({ subject: 'alice' }),
        question({ subject: { type: 'user' } }),
        question({ subject: { type: 'user', id: '' } }),
        question({ subject: { type: 'user', id: ['alice'] } }),
        question({ subject: { type: 'user', id: 7 } }),
        question({ subject: { type: 'user', id: developer, properties: [] } }),
        question({ action: 'flag:toggle' }),
        question({ action: {} }),
        question({ resource: { type: 'flag' } }),
        question({ resource: { id: 'checkout' } }),
        question({ resource: null }),
        question({ context: 'now' }),
        question({ resource: { type: 'flag', id: 'x'.repeat(2_000) } }),
      ];
      for (const body of bodies) {
        const answer = await ask(body);
        assert.equal(answer.status, 400, JSON.stringify(body));
        assert.equal(typeof answer.body, 'string', 'an error is a message string');
      }
    });

    it('400 for repeated and prototype member names, too much, too deep', async () => {
      const json = JSON.stringify(question());
      const twice = json.replace('{', '{"action":{"name":"flag:read"},');
      const polluted = json.replace('{"project"', '{"__proto__":{"environment":"staging"},"project"');
      const deep = question({ context: JSON.parse(`${'{"a":'.repeat(100)}1${'}'.repeat(100)}`) as unknown });
      const many = question({
        context: Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`k${String(at)}`, at])),
      });
      const large = question({ context: { text: 'x'.repeat(70 * 1024) } });
      for (const body of [twice, polluted, deep, many, large]) assert.equal((await ask(body)).status, 400);
    });

    it('401 with WWW-Authenticate for a missing, foreign, malformed or revoked token', async () => {
      const other = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`;
      for (const authorization of [undefined, `Bearer ${other}`, 'Bearer nobody', `Basic ${token}`, token, 'Bearer ']) {
        const headers = authorization === undefined ? {} : { authorization };
        const answer = await world.call('POST', PATH, { body: question(), headers });
        assert.equal(answer.status, 401, authorization);
        assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer /);
        assert.equal(typeof answer.body, 'string');
      }
      assert.equal((await ask(question(), { token: org.ownerToken })).status, 401, 'people use the API, not this');
    });

    it('echoes X-Request-ID, also with errors (§10.1.3)', async () => {
      const headers = { 'x-request-id': 'bfe9eb29-ab87-4ca3-be83-a1d5d8305716' };
      for (const answer of [
        await ask(question(), { headers }),
        await ask('{', { headers }),
        await world.call('POST', PATH, { headers }),
      ])
        assert.equal(answer.headers.get('x-request-id'), headers['x-request-id']);
    });
  });

  it('names its endpoints from configuration, never from the Host header (§9)', async () => {
    const { status, body } = await world.call('GET', '/.well-known/authzen-configuration', {
      headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' },
    });
    assert.equal(status, 200);
    assert.deepEqual(body, {
      policy_decision_point: ORIGIN,
      access_evaluation_endpoint: `${ORIGIN}${PATH}`,
      access_evaluations_endpoint: `${ORIGIN}/access/v1/evaluations`,
      search_subject_endpoint: `${ORIGIN}/access/v1/search/subject`,
      search_resource_endpoint: `${ORIGIN}/access/v1/search/resource`,
      search_action_endpoint: `${ORIGIN}/access/v1/search/action`,
    });
  });

  it('answers for the organisation of the token only', async () => {
    const other = await world.organization();
    const foreign = await tokenOf(other);
    assert.equal((await ask(question(), { token: foreign })).text, '{"decision":false}');
    assert.equal((await ask(question(), { token })).text, '{"decision":true}');
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
