import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { GUARDED, openApi } from '@sallyport/http';
import { describeSchema } from '@sallyport/storage';

import { routes } from '../src/server.ts';
import { arrange, ok, PROJECT } from './support/scenario.ts';
import { type Organization, World } from './support/world.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

/** The permissions of the catalogue that are this service's to ask for. */
const CATALOGUE =
  /^(project:(read|create|update|delete)|environment:(read|create|update|delete)|key:(read|manage)|flag:(read|create|edit|toggle|target|delete)|change:(read|create|review|apply)|audit:(read|export))$/;

describe('the service', () => {
  let world: World;
  let org: Organization;

  before(async () => {
    world = await World.create();
    org = await world.organization();
  });
  after(async () => {
    await world.dispose();
  });

  it('asks for a permission of the catalogue on every route of its API', () => {
    const table = routes(world.context);
    assert.ok(table.length >= 25);
    for (const { method, path, permission } of table) {
      if (path.startsWith('/ofrep/')) assert.equal(permission, GUARDED, path);
      else assert.match(String(permission), CATALOGUE, `${method} ${path}`);
    }
  });

  it('answers nobody without a credential, and nobody with a wrong one', async () => {
    for (const { method, path } of routes(world.context)) {
      const concrete = path.replaceAll(/:\w+/g, 'x');
      const anonymous = await world.request(method, concrete);
      assert.equal(anonymous.status, 401, `${method} ${path}`);
      const wrong = await world.request(method, concrete, { headers: { authorization: 'Bearer nonsense' } });
      assert.equal(wrong.status, 401, `${method} ${path}`);
    }
  });

  it('lets somebody without any grant do nothing at all, on any route', async () => {
    const tenant = await world.organization();
    const { flagId } = await arrange(tenant, 1);
    const nobody = tenant.person('nobody');
    const change = ok(
      await tenant.person('owner').call('PATCH', `${PROJECT}/flags/checkout`, { description: 'x' }),
      202,
    );
    const ids: Record<string, string> = {
      project: 'shop',
      environment: 'production',
      flag: 'checkout',
      change: change.body.change.id,
      key: flagId,
    };
    const bodies: readonly [path: RegExp, method: string, body: object][] = [
      [/\/projects$/, 'POST', { key: 'mine', name: 'Mine' }],
      [/\/environments$/, 'POST', { key: 'mine', name: 'Mine', tier: 'production' }],
      [/\/keys$/, 'POST', { name: 'mine' }],
      [/\/flags$/, 'POST', { key: 'mine', type: 'boolean', variants: { on: true } }],
      [/\/flags\/checkout\/environments$/, 'POST', { environments: ['staging'] }],
      [/\/flags\/checkout$/, 'PATCH', { description: 'mine' }],
      [/\/flags\/checkout\/environments\/production$/, 'PATCH', { state: 'ENABLED' }],
      [/\/changes$/, 'POST', { title: 'Mine', changes: [{ kind: 'archive-flag', flag: 'checkout' }] }],
      [/\/changes\/[^/]+$/, 'PATCH', { title: 'Mine' }],
      [/\/(approve|reject|request-changes)$/, 'POST', { hash: change.body.change.hash }],
    ];
    for (const { method, path } of routes(world.context)) {
      if (path.startsWith('/ofrep/')) continue;
      const concrete = path.replace('/api/flags/v1', '').replaceAll(/:(\w+)/g, (_, name: string) => ids[name] ?? 'x');
      const body = bodies.findLast(([at, verb]) => at.test(concrete) && verb === method)?.[2];
      const answer = await nobody.call(method, concrete, body);
      assert.equal(answer.status, 403, `${method} ${concrete}: ${answer.text}`);
      assert.equal(answer.body.code, 'PERMISSION_DENIED');
      assert.equal(answer.body.metadata['reason'], 'NO_GRANT');
    }
  });

  it('answers unknown paths, wrong methods, broken and oversized bodies with typed errors', async () => {
    const owner = org.person('owner');
    assert.equal((await owner.call('GET', '/nothing')).status, 404);
    assert.equal((await owner.call('PUT', '/projects')).status, 405);
    assert.equal((await owner.call('POST', '/projects', { key: 'k', name: 'n', extra: 1 })).status, 400);
    assert.equal((await owner.call('POST', '/projects', { key: 'k', name: 'x'.repeat(300_000) })).status, 413);
  });

  it('describes its whole surface as OpenAPI', () => {
    const { paths } = openApi(routes(world.context), { title: 'Flags', version: '1' });
    assert.ok(Object.keys(paths).length >= 15);
  });

  it('has the same schema in two fresh databases', async () => {
    const other = await World.create();
    try {
      const [here, there] = await Promise.all(
        [world, other].map(async ({ database }) => await describeSchema(database.adminUrl, 'flags')),
      );
      assert.equal(here, there);
    } finally {
      await other.dispose();
    }
  });

  it('runs as a program with frozen intrinsics, says when it is ready and stops on SIGTERM', async () => {
    const { owner } = await arrange(org, 0);
    const { PATH = '', HOME = '' } = process.env;
    const child: ChildProcess = spawn(process.execPath, [MAIN], {
      env: { PATH, HOME, ...world.settings },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      assert.ok(child.stdout);
      let origin = '';
      for await (const line of createInterface({ input: child.stdout })) {
        const entry = JSON.parse(line) as { msg?: string; httpPort?: number };
        if (entry.msg !== 'ready') continue;
        origin = `http://127.0.0.1:${String(entry.httpPort)}`;
        break;
      }
      assert.equal((await world.request('GET', '/readyz', { origin })).status, 200);
      const path = `${PROJECT}/environments/staging/keys`;
      const { key } = ok(await owner.call('POST', path, { name: 'k' }), 201).body;
      const rules = [
        { when: [{ attribute: 'age', operator: 'less_than', value: 3 }], serve: { variant: 'off' } },
        { serve: { rollout: { buckets: [{ variant: 'on', weight: 1 }] } } },
      ];
      const edit = { state: 'ENABLED', rules };
      ok(await owner.call('PATCH', `${PROJECT}/flags/checkout/environments/staging`, edit), 200);
      const answer = await world.request('POST', '/ofrep/v1/evaluate/flags/checkout', {
        origin,
        headers: { 'x-api-key': key, 'content-type': 'application/json' },
        body: JSON.stringify({ context: { targetingKey: 'u1', age: 7 } }),
      });
      assert.equal(answer.status, 200);
      assert.equal(answer.body.value, true);
    } finally {
      child.kill('SIGTERM');
    }
    const [code] = (await once(child, 'exit')) as [number | null];
    assert.equal(code, 0);
  });
});
