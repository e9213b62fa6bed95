import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { assertScimError } from './scim/assert-scim.ts';
import {
  ask,
  ENTERPRISE_URN,
  GROUP_URN,
  newDirectory,
  patchOf,
  USER_URN,
  type Answer,
  type Client,
  type Directory,
} from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity } from './support/identity.ts';

describe('SCIM strict input', () => {
  let identity: TestIdentity;
  let directory: Directory;
  let scim: Client;

  before(async () => {
    identity = await startIdentity();
    directory = await newDirectory(identity, await newOrganization(identity));
    scim = directory.scim;
  });
  after(() => identity.close());

  const create = async (): Promise<string> => {
    const created = await scim('POST', '/Users', { schemas: [USER_URN], userName: `${newId()}@example.com` });
    assert.equal(created.status, 201, JSON.stringify(created.body));
    return created.body.id;
  };

  const raw = async (method: string, path: string, body: string | Uint8Array): Promise<Answer> => {
    const headers = { authorization: `Bearer ${directory.token}`, 'content-type': 'application/scim+json' };
    if (typeof body === 'string') return await ask(identity, method, `/scim/v2${path}`, { raw: body, headers });
    const response = await fetch(`http://127.0.0.1:${String(identity.server.httpPort)}/scim/v2${path}`, {
      method,
      headers,
      body: Buffer.from(body),
    });
    return { status: response.status, headers: response.headers, body: (await response.json()) as Answer['body'] };
  };

  it('refuses a key that comes twice, whichever parser would take which', async () => {
    const id = await create();
    const op = (value: string): string => `{"Operations":[{"op":"replace","path":"active","value":${value}}]}`;
    for (const body of [
      '{"userName":"a@example.com","active":false,"active":true}',
      '{"userName":"a@example.com","active":false,"Active":true}',
      `{"userName":"a@example.com","active":false,"${USER_URN}:active":true}`,
      '{"userName":"a@example.com","name":{"givenName":"a","givenName":"b"}}',
    ])
      assertScimError(await raw('PUT', `/Users/${id}`, body), 400, 'invalidSyntax');
    for (const body of [
      '{"Operations":[],"Operations":[{"op":"remove","path":"title"}]}',
      '{"Operations":[{"op":"replace","path":"active","value":false,"value":true}]}',
      '{"Operations":[{"op":"replace","path":"active","value":false,"Value":true}]}',
      '{"Operations":[{"op":"replace","value":{"active":false,"Active":true}}]}',
    ])
      assertScimError(await raw('PATCH', `/Users/${id}`, body), 400, 'invalidSyntax');
    assert.equal((await raw('PATCH', `/Users/${id}`, op('false'))).body.active, false);
  });

  it('refuses what is not UTF-8, not well-formed or nested too deep', async () => {
    const bytes = Buffer.from('{"userName":"a\u00E9b@example.com"}', 'latin1');
    assertScimError(await raw('POST', '/Users', bytes), 400, 'invalidSyntax');
    assertScimError(await raw('POST', '/Users', '{"userName":"a\\ud800@example.com"}'), 400, 'invalidSyntax');
    assertScimError(await raw('POST', '/Users', '{"userName":"a\\u0000@example.com"}'), 400, 'invalidSyntax');
    const deep = `{"userName":"a@example.com","name":${'{"a":'.repeat(100)}1${'}'.repeat(100)}}`;
    assertScimError(await raw('POST', '/Users', deep), 400, 'invalidSyntax');
  });

  it('refuses prototype names at any depth, on every way in, and stays unpolluted', async () => {
    const id = await create();
    for (const name of ['__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty']) {
      const bodies = [
        `{"userName":"a@example.com","${name}":{"polluted":1}}`,
        `{"userName":"a@example.com","name":{"${name}":"x"}}`,
        `{"userName":"a@example.com","emails":[{"value":"x","${name}":"x"}]}`,
        `{"userName":"a@example.com","${ENTERPRISE_URN}":{"${name}":"x"}}`,
      ];
      for (const body of bodies) {
        assert.equal((await raw('POST', '/Users', body)).status, 400, body);
        assert.equal((await raw('PUT', `/Users/${id}`, body)).status, 400, body);
      }
      const members = `{"displayName":"g","members":[{"value":"${id}","${name}":"x"}]}`;
      assert.equal((await raw('POST', '/Groups', members)).status, 400, members);
    }
    assert.equal('polluted' in {}, false);
  });

  it('takes a string for a string, a boolean for a boolean, 1 to 1,024 characters', async () => {
    const id = await create();
    for (const body of [
      { userName: 7 },
      { userName: 'a@example.com', title: 1 },
      { userName: 'a@example.com', active: 1 },
    ])
      assertScimError(await scim('PUT', `/Users/${id}`, body), 400, 'invalidValue');
    const title = (length: number) => ({ userName: `${newId()}@example.com`, title: 'x'.repeat(length) });
    assert.equal((await scim('PUT', `/Users/${id}`, title(1_024))).body['title'], 'x'.repeat(1_024));
    assertScimError(await scim('PUT', `/Users/${id}`, title(1_025)), 400, 'invalidValue');
  });

  it('refuses names that look like others, or like nothing (UTS 39 §3)', async () => {
    const id = await create();
    const name = `${newId()}@example.com`;
    const [override, space, joiner, control] = ['\u202e', '\u200b', '\u200d', '\u0007'];
    for (const unseen of [override, space, control]) {
      for (const body of [
        { userName: `${unseen}${name}` },
        { userName: name, displayName: `An${unseen}n` },
        { userName: name, name: { formatted: `An${unseen}n` } },
        { userName: name, emails: [{ value: `${unseen}${name}` }] },
      ])
        assertScimError(await scim('PUT', `/Users/${id}`, body), 400, 'invalidValue');
      assertScimError(await scim('POST', '/Groups', { displayName: `A${unseen}` }), 400, 'invalidValue');
    }
    assertScimError(await scim('PUT', `/Users/${id}`, { userName: `${joiner}${name}` }), 400, 'invalidValue');
    assertScimError(await scim('PUT', `/Users/${id}`, { userName: '   ' }), 400, 'invalidValue');
    assertScimError(await scim('POST', '/Groups', { displayName: ' \u00a0 ' }), 400, 'invalidValue');
    // Joiners are letters' own in Persian and in families of emoji.
    const displayName = `\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645`;
    assert.equal((await scim('PUT', `/Users/${id}`, { userName: name, displayName })).body.displayName, displayName);
  });

  it('keeps no address that a browser would run', async () => {
    const id = await create();
    const userName = `${newId()}@example.com`;
    for (const address of [
      'javascript:alert(1)',
      ' JavaScript\t:alert(1)',
      'java\nscript:x',
      'vbscript:x',
      'data:text/html,x',
    ]) {
      assertScimError(await scim('PUT', `/Users/${id}`, { userName, profileUrl: address }), 400, 'invalidValue');
      assertScimError(
        await scim('PUT', `/Users/${id}`, { userName, photos: [{ value: address }] }),
        400,
        'invalidValue',
      );
    }
    const kept = { profileUrl: 'https://people.example.com/ann', photos: [{ value: 'data:image/png;base64,aGk=' }] };
    const { body } = await scim('PUT', `/Users/${id}`, { userName, ...kept });
    assert.deepEqual([body['profileUrl'], body['photos']], [kept.profileUrl, kept.photos]);
  });

  it('lets nobody assign identity, tenancy, groups or roles of ours', async () => {
    const [id, other] = [await create(), newId()];
    const group = (await scim('POST', '/Groups', { displayName: newId() })).body.id;
    for (const path of ['id', 'meta', 'meta.created', 'groups', 'schemas', 'password'])
      assertScimError(
        await scim(
          'PATCH',
          `/Users/${id}`,
          patchOf({ op: 'replace', path, value: path === 'groups' ? [{ value: group }] : other }),
        ),
        400,
        'mutability',
      );
    for (const name of [
      'orgId',
      'org_id',
      'connectionId',
      'kind',
      'breakGlass',
      'epoch',
      'status',
      'tenant',
      'isAdmin',
      'permissions',
    ]) {
      assertScimError(
        await scim('POST', '/Users', { userName: `${newId()}@example.com`, [name]: other }),
        400,
        'invalidSyntax',
      );
      assertScimError(
        await scim('PATCH', `/Users/${id}`, patchOf({ op: 'replace', value: { [name]: other } })),
        400,
        'invalidPath',
      );
    }
    const created = await scim('POST', '/Users', {
      userName: `${newId()}@example.com`,
      id: other,
      groups: [{ value: group }],
      meta: { version: 'W/"9"' },
      roles: [{ value: 'owner' }],
    });
    assert.notEqual(created.body.id, other);
    assert.equal('groups' in created.body, false);
    assert.deepEqual((await scim('GET', `/Groups/${group}`)).body.members ?? [], []);
  });

  it('refuses schemas it does not know', async () => {
    const id = await create();
    for (const schemas of [
      ['urn:example:User'],
      [USER_URN, 'urn:example:x'],
      [ENTERPRISE_URN],
      [],
      'x',
      [GROUP_URN],
      [7],
    ])
      assertScimError(await scim('PUT', `/Users/${id}`, { schemas, userName: 'a@example.com' }), 400, 'invalidSyntax');
  });
});
