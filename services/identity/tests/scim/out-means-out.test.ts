/**
 * Out means out, in every shape a directory has for it: whoever was let in holds nothing that works once the directory
 * has its 2xx. (Every class of credential against the ways out as such: tests/revocation.)
 */
import assert from 'node:assert/strict';

import type { Browser } from '../support/browser.ts';
import type { Body } from '../support/http.ts';
import { ProviderScene } from '../provider/scene.ts';
import { patch } from './dialects/shape.ts';
import { CORE_USER } from './model/vocabulary.ts';

interface Way {
  readonly name: string;
  readonly method: 'PATCH' | 'PUT' | 'DELETE' | 'POST';
  readonly path: (id: string) => string;
  readonly body?: (user: Body) => unknown;
  readonly status: number;
}

const one = (id: string): string => `/Users/${id}`;
const byPatch = (name: string, ...operations: unknown[]): Way => ({
  name,
  method: 'PATCH',
  path: one,
  body: () => patch(...operations),
  status: 200,
});
const bulkOf = (...Operations: unknown[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
  Operations,
});
const byBulk = (name: string, operation: (user: Body) => unknown): Way => ({
  name: `Bulk: ${name}`,
  method: 'POST',
  path: () => '/Bulk',
  body: (user) => bulkOf(operation(user)),
  status: 200,
});
const whole = ({ schemas, userName, externalId, emails }: Body) => ({
  schemas,
  userName,
  externalId,
  emails,
  active: false,
});

const WAYS: readonly Way[] = [
  byPatch('Okta: without a path', { op: 'replace', value: { active: false } }),
  byPatch('Entra: Replace with "False"', { op: 'Replace', path: 'active', value: 'False' }),
  byPatch('Entra: Add with "false"', { op: 'Add', path: 'active', value: 'false' }),
  byPatch('Entra 062020: a boolean', { op: 'replace', path: 'active', value: false }),
  byPatch('Entra 062020: beside other attributes', {
    op: 'replace',
    value: { displayName: 'X', 'name.givenName': 'Y', active: false },
  }),
  byPatch('a path in capitals', { op: 'REPLACE', path: 'ACTIVE', value: 'FALSE' }),
  byPatch('a path with its schema', { op: 'replace', path: `${CORE_USER}:active`, value: false }),
  byPatch('a key with its schema in lower case', {
    op: 'add',
    value: { [`${CORE_USER.toLowerCase()}:Active`]: false },
  }),
  byPatch(
    'the last of several operations',
    { op: 'replace', path: 'active', value: true },
    { op: 'replace', path: 'title', value: 'Dr' },
    { op: 'replace', path: 'active', value: false },
  ),
  {
    name: 'Okta AIW: PUT of all that was read',
    method: 'PUT',
    path: one,
    body: (user) => ({ ...user, active: false }),
    status: 200,
  },
  {
    name: 'PUT with "False"',
    method: 'PUT',
    path: one,
    body: (user) => ({ ...whole(user), active: 'False' }),
    status: 200,
  },
  { name: 'DELETE', method: 'DELETE', path: one, status: 204 },
  byBulk('PATCH', ({ id }) => ({
    method: 'PATCH',
    path: one(id),
    data: patch({ op: 'replace', value: { active: false } }),
  })),
  byBulk('PUT', (user) => ({ method: 'PUT', path: one(user.id), data: whole(user) })),
  byBulk('DELETE', ({ id }) => ({ method: 'DELETE', path: one(id) })),
];

describe('out means out, in every shape of SCIM', function () {
  this.timeout(180_000);
  let scene: ProviderScene;
  before(async () => {
    scene = await ProviderScene.start();
  });
  after(() => scene.close());

  const tokensPath = (): string => `${scene.origin}/api/identity/v1/api-tokens`;
  const sessionWorks = async (browser: Browser): Promise<boolean> => (await browser.open(tokensPath())).status === 200;
  const tokenWorks = async (token: string): Promise<boolean> =>
    (await fetch(tokensPath(), { headers: { authorization: `Bearer ${token}` } })).status === 200;

  const letIn = async (name: string) => {
    const id = await scene.person(name);
    const browser = await scene.signIn(name);
    const answer = await browser.open(tokensPath(), {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: scene.origin },
      body: JSON.stringify({ name: 'ci', expiresAt: new Date(Date.now() + 3_600_000).toISOString() }),
    });
    const { token } = (await answer.json()) as { token: string };
    assert.deepEqual([await sessionWorks(browser), await tokenWorks(token)], [true, true]);
    return { id, browser, token };
  };

  WAYS.forEach((way, number) => {
    it(way.name, async () => {
      const { scim } = scene.directory;
      const name = `person-${String(number)}`;
      const { id, browser, token } = await letIn(name);
      const user = (await scim('GET', one(id))).body;
      const answer = await scim(way.method, way.path(id), way.body?.(user));
      const [session, apiToken] = await Promise.all([sessionWorks(browser), tokenWorks(token)]);
      assert.equal(answer.status, way.status, JSON.stringify(answer.body));
      assert.deepEqual([session, apiToken], [false, false], 'used successfully after the 2xx');
      const stays = await scim('GET', one(id));
      assert.equal(stays.status, way.method === 'DELETE' || way.name === 'Bulk: DELETE' ? 404 : 200);
      if (stays.status === 200) assert.equal(stays.body.active, false);

      // A second look: neither repeating it nor a PUT that says nothing of it lets anybody back in.
      if (stays.status === 200) {
        const { active: _active, ...silent } = whole(user);
        assert.equal((await scim('PUT', one(id), silent)).body.active, false);
        await scim(way.method, way.path(id), way.body?.(user));
      }
      assert.deepEqual([await sessionWorks(browser), await tokenWorks(token)], [false, false]);
    });
  });

  it('what the directory revives, an administrator still holds', async () => {
    const { scim } = scene.directory;
    const { id, browser, token } = await letIn('held');
    assert.equal((await scene.api('POST', `/accounts/${id}/deactivate`, {})).status, 200);
    for (const active of [false, true])
      await scim('PATCH', one(id), patch({ op: 'replace', path: 'active', value: active }));
    const { body } = await scene.api('GET', `/accounts/${id}`);
    assert.equal(body.status, 'inactive');
    assert.deepEqual([await sessionWorks(browser), await tokenWorks(token)], [false, false]);
  });
});
