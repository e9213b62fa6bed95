import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';

import { createContext, type FlagsContext } from '../src/context.ts';
import { silentLogger } from '@sallyport/telemetry';
import { arrange, ok, PROJECT, type Scenario, toggle } from './support/scenario.ts';
import { organizationForEachTest } from './support/suite.ts';
import type { Answer, Organization, World } from './support/world.ts';

const BULK = '/ofrep/v1/evaluate/flags';

describe('OFREP 0.3', () => {
  let world: World;
  let org: Organization;
  let scene: Scenario;
  let key: string;

  const opened = organizationForEachTest();
  beforeEach(async () => {
    ({ world, org } = opened());
    scene = await arrange(org, 0);
    key = await issue('server');
  });

  const issue = async (kind: string, environment = 'staging'): Promise<string> => {
    const path = `${PROJECT}/environments/${environment}/keys`;
    return ok(await scene.owner.call('POST', path, { name: kind, kind }), 201).body.key;
  };

  const post = async (
    path: string,
    body: unknown,
    headers: Record<string, string> = { authorization: `Bearer ${key}` },
  ): Promise<Answer> =>
    await world.request('POST', path, {
      headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });

  const evaluate = async (flag: string, context: object = {}): Promise<Answer> =>
    await post(`${BULK}/${flag}`, { context: { targetingKey: 'u1', ...context } });

  const target = async (edit: object, environment = 'staging'): Promise<void> => {
    ok(await scene.owner.call('PATCH', `${PROJECT}/flags/checkout/environments/${environment}`, edit), 200);
  };

  const createFlag = async (flag: object): Promise<void> => {
    ok(await scene.owner.call('POST', `${PROJECT}/flags`, { environments: ['staging'], ...flag }), 201);
  };

  describe('single evaluation', () => {
    it('answers value, variant and reason; what was confirmed is served by the next request', async () => {
      await target({ state: 'ENABLED' });
      const { status, body } = await evaluate('checkout');
      assert.equal(status, 200);
      assert.deepEqual(body, { key: 'checkout', value: false, variant: 'off', reason: 'STATIC', metadata: {} });
      const rules = [{ when: [{ attribute: 'plan', operator: 'equals', value: 'pro' }], serve: { variant: 'on' } }];
      await target({ rules });
      const pro = await evaluate('checkout', { plan: 'pro' });
      assert.deepEqual([pro.body.value, pro.body.reason], [true, 'TARGETING_MATCH']);
      assert.deepEqual((await evaluate('checkout')).body.reason, 'DEFAULT');
    });

    it('answers DISABLED without a value for a flag that is switched off', async () => {
      const { status, body } = await evaluate('checkout');
      assert.equal(status, 200);
      assert.deepEqual(body, { key: 'checkout', reason: 'DISABLED', metadata: {} });
    });

    it('leaves the value out for a code default (ADR-0006)', async () => {
      await target({ state: 'ENABLED', defaultVariant: null });
      assert.deepEqual((await evaluate('checkout')).body, { key: 'checkout', reason: 'DEFAULT', metadata: {} });
    });

    it('answers 404 FLAG_NOT_FOUND with the key for unknown, archived and impossible names', async () => {
      ok(await scene.owner.call('PATCH', `${PROJECT}/flags/checkout`, { archived: true }), 200);
      for (const name of ['nothing', 'checkout', '__proto__', 'constructor', 'a%2Fb', '%E2%82%AC']) {
        const { status, body } = await evaluate(name);
        assert.equal(status, 404, name);
        assert.equal(body.errorCode, 'FLAG_NOT_FOUND');
        assert.equal(body.key, decodeURIComponent(name));
      }
    });

    it('answers 400 INVALID_CONTEXT without a context object, PARSE_ERROR for what is no JSON', async () => {
      for (const body of [
        '',
        '{}',
        '[]',
        'null',
        '{"context":null}',
        '{"context":[]}',
        '{"context":{"targetingKey":7}}',
      ]) {
        const answer = await post(`${BULK}/checkout`, body);
        assert.equal(answer.status, 400, body);
        assert.equal(answer.body.errorCode, 'INVALID_CONTEXT', body);
        assert.equal(answer.body.key, 'checkout');
      }
      const broken = await post(`${BULK}/checkout`, '{"context":');
      assert.equal(broken.status, 400);
      assert.deepEqual([broken.body.key, broken.body.errorCode], ['checkout', 'PARSE_ERROR']);
    });

    it('evaluates without a targeting key, and asks for one only where a rollout needs it', async () => {
      await target({ state: 'ENABLED' });
      assert.equal((await post(`${BULK}/checkout`, { context: {} })).status, 200);
      await target({ rules: [{ serve: { rollout: { buckets: [{ variant: 'on', weight: 1 }] } } }] });
      const answer = await post(`${BULK}/checkout`, { context: {} });
      assert.equal(answer.status, 400);
      assert.equal(answer.body.errorCode, 'TARGETING_KEY_MISSING');
      assert.equal((await evaluate('checkout')).body.value, true);
    });

    it('refuses other content types and too much', async () => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'text/plain' };
      assert.equal((await post(`${BULK}/checkout`, '{}', headers)).status, 415);
      const huge = { context: { targetingKey: 'u', blob: 'x'.repeat(300_000) } };
      assert.equal((await post(`${BULK}/checkout`, huge)).status, 413);
    });
  });

  describe('bulk evaluation', () => {
    it('lists every flag: on, off and failing ones', async () => {
      await target({ state: 'ENABLED' });
      await createFlag({ key: 'off', type: 'string', variants: { a: 'x' } });
      await createFlag({ key: 'rolled', type: 'number', variants: { one: 1 } });
      const rules = [{ serve: { rollout: { buckets: [{ variant: 'one', weight: 1 }] } } }];
      const path = `${PROJECT}/flags/rolled/environments/staging`;
      ok(await scene.owner.call('PATCH', path, { state: 'ENABLED', rules }), 200);
      const { status, body, headers } = await post(BULK, { context: {} });
      assert.equal(status, 200);
      const byKey = new Map(body.flags.map((flag) => [flag.key, flag]));
      assert.deepEqual([...byKey.keys()].sort(), ['checkout', 'off', 'rolled']);
      assert.equal(byKey.get('checkout')?.value, false);
      assert.equal(byKey.get('off')?.reason, 'DISABLED');
      assert.equal(byKey.get('rolled')?.errorCode, 'TARGETING_KEY_MISSING');
      assert.match(headers.get('etag') ?? '', /^"[\w-]+"$/);
      assert.match(headers.get('cache-control') ?? '', /private/);
      assert.match(headers.get('vary') ?? '', /authorization/i);
    });

    it('answers 304 with the tag and no body while nothing has changed', async () => {
      const context = { context: { targetingKey: 'u1', plan: 'pro' } };
      const first = await post(BULK, context);
      const etag = first.headers.get('etag') ?? '';
      const again = async (ifNoneMatch: string, body: object = context): Promise<Answer> =>
        await post(BULK, body, { authorization: `Bearer ${key}`, 'if-none-match': ifNoneMatch });
      for (const header of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
        const answer = await again(header);
        assert.equal(answer.status, 304, header);
        assert.equal(answer.text, '');
        assert.equal(answer.headers.get('etag'), etag);
      }
      assert.equal((await again(etag, { context: { plan: 'pro', targetingKey: 'u1' } })).status, 304);
      assert.equal((await again('"other"')).status, 200);
    });

    it('never answers 304 for another context, value, kind of key or environment (flagd#2036, Flipt)', async () => {
      const body = { context: { targetingKey: 'u1' } };
      const tagOf = async (content: object = body, secret = key): Promise<string> =>
        (await post(BULK, content, { authorization: `Bearer ${secret}` })).headers.get('etag') ?? '';
      const tags = [await tagOf(), await tagOf({ context: { targetingKey: 'u1', plan: 'pro' } })];
      tags.push(await tagOf({ context: { targetingKey: 'u2' } }), await tagOf(body, await issue('client')));
      tags.push(await tagOf(body, await issue('server', 'production')));
      await target({ state: 'ENABLED' });
      tags.push(await tagOf());
      ok(await scene.owner.call('PATCH', `${PROJECT}/flags/checkout`, { variants: { on: true, off: true } }), 200);
      tags.push(await tagOf());
      assert.equal(new Set(tags).size, tags.length);
    });

    it('answers a refetch an event asked for in full (protocol#84)', async () => {
      const body = { context: { targetingKey: 'u1' } };
      const etag = (await post(BULK, body)).headers.get('etag') ?? '';
      const headers = { authorization: `Bearer ${key}`, 'if-none-match': etag };
      assert.equal((await post(`${BULK}?flagConfigEtag=x`, body, headers)).status, 200);
    });

    it('answers 400 without the key of a flag', async () => {
      const { status, body } = await post(BULK, {});
      assert.equal(status, 400);
      assert.deepEqual(Object.keys(body).sort(), ['errorCode', 'errorDetails']);
    });
  });

  describe('environment keys', () => {
    it('are taken as bearer or as X-API-Key, and nothing else is: 401 without a body', async () => {
      assert.equal((await post(BULK, { context: {} }, { 'x-api-key': key })).status, 200);
      const wrong: Record<string, string>[] = [
        {},
        { authorization: key },
        { authorization: `Basic ${key}` },
        { authorization: 'Bearer nonsense' },
        { authorization: `Bearer ${key.slice(0, -1)}${key.endsWith('x') ? 'y' : 'x'}` },
        { 'x-api-key': `${key}x` },
        { authorization: `Bearer ${key}`, 'x-api-key': 'another' },
      ];
      for (const headers of wrong) {
        const answer = await post(BULK, { context: {} }, headers);
        assert.equal(answer.status, 401, JSON.stringify(headers));
        assert.equal(answer.text, '');
      }
    });

    it('are shown once, kept as a hash, listed without the secret', async () => {
      const path = `${PROJECT}/environments/staging/keys`;
      const listed = ok(await scene.owner.call('GET', path), 200);
      assert.equal(listed.body.items.length, 1);
      assert.equal(listed.text.includes(key), false);
      const rows = await world.asAdmin(org.id, 'SELECT * FROM environment_key WHERE org_id = $1', [org.id]);
      assert.equal(JSON.stringify(rows).includes(key), false);
      assert.match(key, /^sp_env_s_/);
    });

    it('of kind client see client-visible flags only', async () => {
      await target({ state: 'ENABLED' });
      await createFlag({ key: 'web', type: 'boolean', variants: { on: true }, clientVisible: true });
      const client = { authorization: `Bearer ${await issue('client')}` };
      const { body } = await post(BULK, { context: {} }, client);
      assert.deepEqual(
        body.flags.map((flag) => flag.key),
        ['web'],
      );
      const hidden = await post(`${BULK}/checkout`, { context: {} }, client);
      assert.equal(hidden.status, 404);
      assert.equal(hidden.body.errorCode, 'FLAG_NOT_FOUND');
      ok(await scene.owner.call('PATCH', `${PROJECT}/flags/web`, { clientVisible: false }), 200);
      assert.equal((await post(`${BULK}/web`, { context: {} }, client)).status, 404);
    });

    it('are dead when their revocation is answered, and stay dead', async () => {
      const path = `${PROJECT}/environments/staging/keys`;
      ok(await evaluate('checkout'), 200);
      const { id = '' } = ok(await scene.owner.call('GET', path), 200).body.items[0] ?? {};
      ok(await scene.owner.call('DELETE', `${path}/${id}`), 204);
      assert.equal((await evaluate('checkout')).status, 401);
      ok(await scene.owner.call('DELETE', `${path}/${id}`), 204);
      const actions = (await org.audit()).map(({ action }) => action);
      assert.equal(actions.filter((action) => action === 'environment-key.revoked').length, 1);
      assert.equal((await scene.owner.call('DELETE', `${PROJECT}/environments/production/keys/${id}`)).status, 404);
    });

    it('need key:manage in their environment', async () => {
      const answer = await scene.developer.call('POST', `${PROJECT}/environments/staging/keys`, { name: 'mine' });
      assert.equal(answer.status, 403);
    });
  });

  describe('a second process', () => {
    let other: FlagsContext;

    beforeEach(async () => {
      other = await createContext(world.config, { logger: silentLogger() });
    });
    afterEach(async () => {
      await other.dispose();
    });

    const versionThere = async (): Promise<bigint> => {
      const grant = await other.delivery.keys.find(key);
      assert.ok(grant);
      return (await other.delivery.states.get(grant.orgId, grant.environmentId)).version;
    };

    it('follows changes and revocations through notifications', async () => {
      const before = await versionThere();
      ok(await toggle(scene.owner, 'staging', 'ENABLED'), 200);
      await waitFor(async () => (await versionThere()) > before, { message: 'the change arrives' });
      const path = `${PROJECT}/environments/staging/keys`;
      const { id = '' } = ok(await scene.owner.call('GET', path), 200).body.items[0] ?? {};
      ok(await scene.owner.call('DELETE', `${path}/${id}`), 204);
      await waitFor(async () => (await other.delivery.keys.find(key)) === undefined, { message: 'the key is dead' });
    });

    it('notices what it was not notified of', async () => {
      const before = await versionThere();
      await world.cutListeners();
      ok(await toggle(scene.owner, 'staging', 'ENABLED'), 200);
      await waitFor(async () => (await versionThere()) > before, { message: 'the comparison finds it' });
    });
  });
});
