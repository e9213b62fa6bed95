import assert from 'node:assert/strict';
import { request } from 'undici';
import { type ApiAnswer, startTestIdp, type TestIdp } from './support/running-idp.ts';

describe('control API', () => {
  let idp: TestIdp;

  before(async () => {
    idp = await startTestIdp();
  });
  after(async () => {
    await idp.close();
  });

  function outcome(answer: ApiAnswer): [number, unknown] {
    return [answer.status, answer.body['error']];
  }

  it('is healthy', async () => {
    assert.deepEqual((await idp.api('GET', '/healthz')).body, { status: 'ok' });
  });

  it('lists people and groups with the immutable ids of the flavour being played', async () => {
    const people = (await idp.api('GET', '/api/people')).body['items'] as Record<string, unknown>[];
    assert.equal(people.length, 8);
    assert.equal(people[0]?.['id'], '00u1d4n4dev3l0per5d7');
    await idp.api('PUT', '/api/targets', { flavor: 'entra' });
    assert.equal((await idp.api('GET', '/api/people/dana')).body['id'], '3f1c2a58-7a0e-4c0b-9a41-0d5f6b1e0001');
    await idp.api('PUT', '/api/targets', { flavor: 'okta' });
    const groups = (await idp.api('GET', '/api/groups')).body['items'] as Record<string, unknown>[];
    assert.deepEqual(groups.find((group) => group['name'] === 'Release Managers')?.['members'], ['ravi', 'rosa']);
  });

  it('finds people by key, user name in any case, and either id', async () => {
    for (const reference of [
      'rosa',
      'ROSA@acme.example',
      '00u3r0s4rev1ewer7kd7',
      '3f1c2a58-7a0e-4c0b-9a41-0d5f6b1e0003',
    ]) {
      assert.equal((await idp.api('GET', `/api/people/${encodeURIComponent(reference)}`)).body['key'], 'rosa');
    }
    assert.deepEqual(outcome(await idp.api('GET', '/api/people/nobody')), [404, 'PERSON_UNKNOWN']);
    assert.deepEqual(outcome(await idp.api('PUT', '/api/groups/none/members/rosa')), [404, 'GROUP_UNKNOWN']);
  });

  it('works on the directory alone while no target is configured, and refuses to provision nowhere', async () => {
    const answer = await idp.api('POST', '/api/people/otto/deactivate');
    assert.deepEqual([answer.status, answer.body['sync']], [200, null]);
    await idp.api('POST', '/api/people/otto/activate');
    assert.deepEqual(outcome(await idp.api('POST', '/api/provision')), [409, 'TARGET_MISSING']);
    assert.deepEqual(outcome(await idp.api('POST', '/api/saml/response', { personId: 'dana' })), [
      409,
      'TARGET_MISSING',
    ]);
  });

  it('adds, renames and removes people', async () => {
    const added = await idp.api('POST', '/api/people', {
      givenName: 'Ada',
      familyName: 'Added',
      userName: 'ada@acme.example',
    });
    assert.equal(added.status, 201);
    const person = added.body['person'] as Record<string, unknown>;
    assert.match(String(person['id']), /^00u[a-z2-7]{17}$/);
    const again = await idp.api('POST', '/api/people', {
      givenName: 'A',
      familyName: 'B',
      userName: 'ADA@acme.example',
    });
    assert.deepEqual(outcome(again), [409, 'PERSON_EXISTS']);
    const renamed = await idp.api('PATCH', '/api/people/ada@acme.example', { familyName: 'Lovelace' });
    assert.equal((renamed.body['person'] as Record<string, unknown>)['displayName'], 'Ada Lovelace');
    assert.deepEqual(
      outcome(await idp.api('PATCH', '/api/people/ada@acme.example', { userName: 'dana@acme.example' })),
      [409, 'PERSON_EXISTS'],
    );
    assert.equal((await idp.api('DELETE', '/api/people/ada@acme.example')).status, 200);
    assert.equal((await idp.api('GET', '/api/people/ada@acme.example')).status, 404);
  });

  it('changes a target as a whole or not at all, and never shows secrets', async () => {
    const good = { baseUrl: 'http://localhost:1/scim/v2/', token: 'top-secret' };
    const oidc = { clientId: 'c', clientSecret: 'also-secret', redirectUris: ['http://localhost:1/cb'] };
    const answer = await idp.api('PUT', '/api/targets', { scim: good, oidc });
    assert.deepEqual(answer.body['scim'], { baseUrl: 'http://localhost:1/scim/v2', profile: null });
    assert.doesNotMatch(JSON.stringify(answer.body), /secret/);
    const bad = [
      { scim: { ...good, baseUrl: 'file:///etc' } },
      { flavor: 'entra', scim: { ...good, profile: 'nonsense' } },
      { flavor: 'entra', unknown: 1 },
      { flavor: 'entra', oidc: { ...oidc, redirectUris: [] } },
      { flavor: 'entra', behavior: { rememberSignIn: 'yes' } },
      { behavior: { samlPublishedKeys: ['tertiary'] } },
      [],
    ];
    for (const body of bad) {
      assert.deepEqual(
        outcome(await idp.api('PUT', '/api/targets', body)),
        [400, 'REQUEST_MALFORMED'],
        JSON.stringify(body),
      );
    }
    assert.equal((await idp.api('GET', '/api/targets')).body['flavor'], 'okta');
    const removed = await idp.api('PUT', '/api/targets', { scim: null, oidc: null });
    assert.deepEqual([removed.body['scim'], removed.body['oidc']], [null, null]);
  });

  it('answers malformed JSON, other media types and large bodies with 4xx', async () => {
    const url = `${idp.origin}/api/targets`;
    const send = async (type: string, body: string): Promise<number> =>
      (await fetch(url, { method: 'PUT', headers: { 'content-type': type }, body })).status;
    assert.equal(await send('application/json', '{"a":'), 400);
    assert.equal(await send('text/plain', '{}'), 415);
    assert.equal(await send('application/json', `"${'x'.repeat(1024 * 1024)}"`), 413);
    assert.equal((await fetch(`${idp.origin}/api/nothing`)).status, 404);
    assert.equal((await fetch(`${idp.origin}/api/provision`, { method: 'DELETE' })).status, 405);
  });

  describe('is closed to other web sites', () => {
    const path = '/api/people/dana/deactivate';

    async function attempt(
      headers: Record<string, string>,
      method: 'GET' | 'POST' = 'POST',
      where = path,
    ): Promise<number> {
      const answer = await request(`http://127.0.0.1:${String(idp.port)}${where}`, { method, headers });
      await answer.body.dump();
      return answer.statusCode;
    }

    it('by Origin', async () => {
      assert.equal(await attempt({ origin: 'http://localhost:8080' }), 403);
      assert.equal(await attempt({ origin: 'null' }), 403);
      assert.equal(await attempt({ origin: 'null' }, 'POST', '/ui/people/dana/deactivate'), 403);
    });

    it('by Sec-Fetch-Site, also when the port is all that differs', async () => {
      assert.equal(await attempt({ 'sec-fetch-site': 'cross-site' }), 403);
      assert.equal(await attempt({ 'sec-fetch-site': 'same-site' }), 403);
    });

    it('by Host, so that a re-bound name reads nothing either', async () => {
      assert.equal(await attempt({ host: 'evil.example' }), 403);
      assert.equal(await attempt({ host: 'evil.example' }, 'GET', '/api/people'), 403);
      assert.equal(await attempt({ host: 'evil.example' }, 'GET', '/'), 403);
    });

    it('and open to its own page and to scripts', async () => {
      assert.equal((await idp.api('GET', '/api/people/dana')).body['active'], true);
      assert.equal(
        await attempt({ origin: idp.origin, 'sec-fetch-site': 'same-origin', host: `localhost:${String(idp.port)}` }),
        200,
      );
      assert.equal(await attempt({}, 'POST', '/api/people/dana/activate'), 200);
    });

    it('at the sign-in forms as well', async () => {
      assert.equal(await attempt({ origin: 'https://evil.example' }, 'POST', '/saml/continue'), 403);
      assert.equal(await attempt({ origin: 'https://evil.example' }, 'POST', '/oidc-sign-in/x'), 403);
    });
  });
});
