import assert from 'node:assert/strict';

import { apiClient, scimClient, type Answer, type Client } from '../support/http.ts';
import { newOrganization, startIdentity, type TestIdentity } from '../support/identity.ts';
import { assertScimError } from './assert-scim.ts';
import { ENTRA } from './dialects/entra.ts';
import { OKTA } from './dialects/okta.ts';
import type { Cast, Profile, Sent, Shape } from './dialects/shape.ts';
import { STRICT } from './dialects/strict.ts';
import { asDoc, byText, comparable } from './model/judge.ts';
import { CORE_GROUP, CORE_USER, type Doc } from './model/vocabulary.ts';

interface Stage extends Cast {
  readonly scim: Client;
}

describe('SCIM dialects (facts, scim.md §2)', function () {
  this.timeout(180_000);
  let identity: TestIdentity;
  before(async () => {
    identity = await startIdentity();
  });
  after(() => identity.close());

  /** A connection of its own with three users and a group. */
  const stage = async (profile: Profile): Promise<Stage> => {
    const api = apiClient(identity, await newOrganization(identity));
    const connection = await api('POST', '/connections', { name: profile, scim: { profile } });
    assert.equal(connection.status, 201, JSON.stringify(connection.body));
    const token = await api('POST', `/connections/${connection.body.id}/scim-tokens`, { name: 'first' });
    const scim = scimClient(identity, token.body.token);
    const create = async (path: string, body: object): Promise<string> => {
      const created = await scim('POST', path, body);
      assert.equal(created.status, 201, JSON.stringify(created.body));
      return created.body.id;
    };
    const user = await create('/Users', {
      schemas: [CORE_USER],
      userName: 'user@example.com',
      externalId: 'jyoung',
      displayName: 'User',
      title: 'Tour guide',
      name: { givenName: 'Barbara', familyName: 'Jensen' },
      emails: [{ value: 'user@example.com', type: 'work', primary: true }],
      active: true,
    });
    const one = await create('/Users', { schemas: [CORE_USER], userName: 'one@example.com' });
    const two = await create('/Users', { schemas: [CORE_USER], userName: 'two@example.com' });
    const group = await create('/Groups', { schemas: [CORE_GROUP], displayName: 'Cast', members: [{ value: user }] });
    return { scim, user, others: [one, two], group };
  };

  const kindOf = (shape: Shape) => (shape.of === 'group' ? 'Groups' : 'Users');
  const pathOf = (shape: Shape, { user, group }: Cast): string =>
    shape.of === 'group' ? `/Groups/${group}` : `/Users/${user}`;
  const send = (scim: Client, { method, path, body, headers }: Sent): Promise<Answer> =>
    scim(method, path, body, { ...headers });

  const succeeds = async (shape: Shape, profile: Profile): Promise<void> => {
    const { scim, ...cast } = await stage(profile);
    const before = await scim('GET', pathOf(shape, cast));
    const resource = comparable(kindOf(shape), asDoc(before));
    // What Okta merges its changes into is all of what it read.
    const answer = await send(scim, shape.send(cast, asDoc(before)));
    assert.equal(answer.status, shape.status, JSON.stringify(answer.body));
    shape.check?.(answer, cast);
    if (shape.status === 204) assert.deepEqual(answer.body, {}, '204 has no body');
    if (shape.after === undefined) return;
    const expected = shape.after(resource, cast);
    const after = await scim('GET', pathOf(shape, cast));
    assert.deepEqual(comparable(kindOf(shape), asDoc(after)), inOrder(expected));
    assert.equal(answer.headers.get('etag'), after.headers.get('etag'));
    if (shape.status === 200) assert.deepEqual(answer.body, after.body, 'the answer is the resource');
    if (expected === resource) assert.deepEqual(after.body.meta, before.body.meta, 'nothing changed');
    else assert.notEqual(after.headers.get('etag'), before.headers.get('etag'));
  };

  const inOrder = (resource: Doc): Doc => {
    const { members } = resource;
    return Array.isArray(members) ? { ...resource, members: (members as Doc[]).toSorted(byText('value')) } : resource;
  };

  const refuses = async (shape: Shape, profile: Profile, word: string): Promise<void> => {
    const { scim, ...cast } = await stage(profile);
    const before = await scim('GET', pathOf(shape, cast));
    const status = word === 'uniqueness' ? 409 : 400;
    assertScimError(await send(scim, shape.send(cast, asDoc(before))), status, word);
    assert.deepEqual((await scim('GET', pathOf(shape, cast))).body, before.body, 'nothing changed');
  };

  for (const [vendor, shapes] of [
    ['Okta', OKTA],
    ['Entra ID', ENTRA],
    ['interoperability profile', STRICT],
  ] as const)
    describe(vendor, () => {
      for (const shape of shapes) {
        for (const profile of shape.profiles.length === 0 ? [] : (['auto', ...shape.profiles] as const))
          if (!(vendor === 'interoperability profile' && profile === 'auto'))
            it(`${shape.name} (${profile})`, async () => {
              await succeeds(shape, profile);
            });
        for (const [profile, word] of shape.refusedBy ?? [])
          it(`${shape.name}: refused ${word} (${profile})`, async () => {
            await refuses(shape, profile, word);
          });
      }
    });
});
