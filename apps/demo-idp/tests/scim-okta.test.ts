import assert from 'node:assert/strict';
import { type RecordingScim, startRecordingScim } from './support/recording-scim.ts';
import { startTestIdp, type TestIdp } from './support/running-idp.ts';

const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const CORE_USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
const CORE_GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';

describe('SCIM as Okta sends it', () => {
  let idp: TestIdp;
  let scim: RecordingScim;

  beforeEach(async () => {
    scim = await startRecordingScim();
    idp = await startTestIdp();
  });
  afterEach(async () => {
    await idp.close();
    await scim.close();
  });

  async function target(profile: string | null): Promise<void> {
    const answer = await idp.api('PUT', '/api/targets', {
      flavor: 'okta',
      scim: { baseUrl: `${scim.baseUrl}/`, token: 'top-secret', ...(profile === null ? {} : { profile }) },
    });
    assert.equal(answer.status, 200);
  }

  async function provision(full = false): Promise<void> {
    const answer = await idp.api('POST', '/api/provision', { full });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  }

  function operations(body: Record<string, unknown> | null | undefined): unknown[] {
    const list = body?.['Operations'];
    return Array.isArray(list) ? list : [];
  }

  function scimId(type: 'Users' | 'Groups', name: string): string {
    const found = scim.resources(type).find((one) => one['userName'] === name || one['displayName'] === name);
    assert.ok(found, name);
    return found.id;
  }

  it('tests the connection, looks everybody up and creates who is missing', async () => {
    await target(null);
    await provision();
    const sent = scim.take();
    assert.deepEqual(
      sent.slice(0, 4).map((one) => one.line),
      [
        'GET /Users?startIndex=1&count=2',
        'GET /Groups?startIndex=1&count=100',
        'GET /Users?filter=userName eq "dana@acme.example"&startIndex=1&count=100',
        'POST /Users',
      ],
    );
    const { password, ...user } = sent[3]?.body ?? {};
    assert.match(String(password), /^[\w-]{16}$/);
    assert.deepEqual(user, {
      schemas: [CORE_USER],
      userName: 'dana@acme.example',
      name: { givenName: 'Dana', familyName: 'Developer' },
      emails: [{ primary: true, value: 'dana@acme.example', type: 'work' }],
      displayName: 'Dana Developer',
      locale: 'en-US',
      externalId: '00u1d4n4dev3l0per5d7',
      groups: [],
      active: true,
    });
    assert.equal(scim.resources('Users').length, 7, 'the newcomer is not assigned');
    assert.deepEqual(sent.filter((one) => one.line.includes('/Groups')).slice(1, 4), [
      { line: 'GET /Groups?filter=displayName eq "Developers"&startIndex=1&count=100', body: null },
      { line: 'POST /Groups', body: { schemas: [CORE_GROUP], displayName: 'Developers', members: [] } },
      {
        line: `PATCH /Groups/${scimId('Groups', 'Developers')}`,
        body: {
          schemas: [PATCH_OP],
          Operations: [
            {
              op: 'replace',
              path: 'members',
              value: [
                { value: scimId('Users', 'dana@acme.example'), display: 'Dana Developer' },
                { value: scimId('Users', 'zoe@acme.example'), display: 'Zoë Özdemir' },
              ],
            },
          ],
        },
      },
    ]);
    await provision();
    assert.deepEqual(scim.take(), [], 'a second run has nothing to say');
  });

  it('sends its User-Agent, the SCIM media types, and application/json on POST', async () => {
    await target(null);
    await provision();
    await idp.api('POST', '/api/people/dana/deactivate');
    const byMethod = new Map(scim.requests.map((one) => [one.method, one.headers] as const));
    for (const headers of byMethod.values()) {
      assert.equal(headers['user-agent'], 'OKTA SCIM Integration');
      assert.equal(headers.accept, 'application/scim+json');
      assert.equal(headers.authorization, 'Bearer top-secret');
    }
    assert.equal(byMethod.get('GET')?.['content-type'], undefined);
    assert.equal(byMethod.get('POST')?.['content-type'], 'application/json');
    assert.equal(byMethod.get('PATCH')?.['content-type'], 'application/scim+json; charset=utf-8');
  });

  it('deactivates and activates by a PATCH without path (okta-oin), and reports the milliseconds', async () => {
    await target(null);
    await provision();
    scim.take();
    for (const [action, active] of [
      ['deactivate', false],
      ['activate', true],
    ] as const) {
      const answer = await idp.api('POST', `/api/people/dana/${action}`);
      assert.deepEqual(scim.take(), [
        {
          line: `PATCH /Users/${scimId('Users', 'dana@acme.example')}`,
          body: { schemas: [PATCH_OP], Operations: [{ op: 'replace', value: { active } }] },
        },
      ]);
      const sync = answer.body['sync'] as Record<string, unknown>;
      assert.deepEqual([sync['ok'], sync['status'], sync['action']], [true, 204, action]);
      assert.equal(typeof sync['ms'], 'number');
    }
  });

  it('renames by PUT of everything the target returned', async () => {
    await target(null);
    await provision();
    const before = scim.resources('Users').find((one) => one['userName'] === 'dana@acme.example');
    scim.take();
    const answer = await idp.api('PATCH', '/api/people/dana', { familyName: 'Deveraux' });
    assert.equal(answer.status, 200);
    assert.deepEqual(scim.take(), [
      { line: `GET /Users/${before?.id ?? ''}`, body: null },
      {
        line: `PUT /Users/${before?.id ?? ''}`,
        body: { ...before, displayName: 'Dana Deveraux', name: { givenName: 'Dana', familyName: 'Deveraux' } },
      },
    ]);
  });

  it('moves people between groups by PATCH that repeats the name and the id', async () => {
    await target(null);
    await provision();
    scim.take();
    const [group, dana] = [scimId('Groups', 'Release Managers'), scimId('Users', 'dana@acme.example')];
    const name = { op: 'replace', value: { id: group, displayName: 'Release Managers' } };
    await idp.api('PUT', '/api/groups/release-managers/members/dana');
    await idp.api('DELETE', '/api/groups/release-managers/members/dana');
    assert.deepEqual(scim.take(), [
      {
        line: `PATCH /Groups/${group}`,
        body: {
          schemas: [PATCH_OP],
          Operations: [name, { op: 'add', path: 'members', value: [{ value: dana, display: 'Dana Developer' }] }],
        },
      },
      {
        line: `PATCH /Groups/${group}`,
        body: { schemas: [PATCH_OP], Operations: [name, { op: 'remove', path: `members[value eq "${dana}"]` }] },
      },
    ]);
  });

  it('uses PUT for everything as a custom application (okta-aiw)', async () => {
    await target('okta-aiw');
    await provision();
    const [group, dana] = [scimId('Groups', 'Developers'), scimId('Users', 'dana@acme.example')];
    assert.equal(scim.requests.filter((one) => one.method === 'PATCH').length, 0);
    assert.deepEqual(
      scim.resources('Groups').find((one) => one.id === group)?.['members'],
      [dana, scimId('Users', 'zoe@acme.example')].map((value, index) => ({
        value,
        display: ['Dana Developer', 'Zoë Özdemir'][index],
      })),
    );
    const before = scim.resources('Users').find((one) => one.id === dana);
    scim.take();
    await idp.api('POST', '/api/people/dana/deactivate');
    await idp.api('DELETE', '/api/groups/developers/members/dana');
    const sent = scim.take();
    assert.deepEqual(
      sent.map((one) => one.line),
      [`GET /Users/${dana}`, `PUT /Users/${dana}`, `GET /Groups/${group}`, `PUT /Groups/${group}`],
    );
    assert.deepEqual(sent[1]?.body, { ...before, active: false });
    assert.deepEqual(sent[3]?.body?.['members'], [
      { value: scimId('Users', 'zoe@acme.example'), display: 'Zoë Özdemir' },
    ]);
  });

  it('never deletes: somebody who leaves is deactivated and taken out of the groups', async () => {
    await target(null);
    await provision();
    const otto = scimId('Users', 'otto@acme.example');
    scim.take();
    const answer = await idp.api('DELETE', '/api/people/otto');
    assert.equal(answer.status, 200);
    const sent = scim.take();
    assert.deepEqual(sent[0]?.body, { schemas: [PATCH_OP], Operations: [{ op: 'replace', value: { active: false } }] });
    assert.deepEqual(operations(sent[1]?.body)[1], {
      op: 'remove',
      path: `members[value eq "${otto}"]`,
    });
    assert.ok(!sent.some((one) => one.line.startsWith('DELETE')));
    assert.equal((await idp.api('GET', '/api/people/otto')).status, 404);
  });

  it('assigns a newcomer with their groups, and takes the application away by deactivating', async () => {
    await target(null);
    await provision();
    scim.take();
    await idp.api('POST', '/api/people/nils/assign');
    assert.deepEqual(
      scim.take().map((one) => one.line),
      [
        'GET /Users?filter=userName eq "nils@acme.example"&startIndex=1&count=100',
        'POST /Users',
        `PATCH /Groups/${scimId('Groups', 'Viewers')}`,
      ],
    );
    await idp.api('POST', '/api/people/nils/unassign');
    assert.deepEqual(scim.take()[0]?.body?.['Operations'], [{ op: 'replace', value: { active: false } }]);
  });

  it('sends everything again on a full synchronisation', async () => {
    await target(null);
    await provision();
    scim.take();
    await provision(true);
    const lines = scim.take().map((one) => one.line);
    assert.equal(lines.filter((line) => line.startsWith('PUT /Users/')).length, 7);
    assert.equal(lines.filter((line) => line.startsWith('PATCH /Groups/')).length, 5);
    assert.equal(lines.filter((line) => line.startsWith('POST')).length, 0);
  });

  it('looks people up again and creates them anew when the target lost them', async () => {
    await target(null);
    await provision();
    scim.remove(scimId('Users', 'dana@acme.example'));
    scim.remove(scimId('Groups', 'Viewers'));
    scim.take();
    await idp.api('PATCH', '/api/people/dana', { familyName: 'Again' });
    await idp.api('PUT', '/api/groups/viewers/members/dana');
    const lines = scim.take().map((one) => one.line.replace(/-\d+/, ''));
    assert.deepEqual(lines, [
      'GET /Users/users',
      'GET /Users?filter=userName eq "dana@acme.example"&startIndex=1&count=100',
      'POST /Users',
      'PATCH /Groups/groups',
      'PATCH /Groups/groups',
      'GET /Groups?filter=displayName eq "Viewers"&startIndex=1&count=100',
      'POST /Groups',
      'PATCH /Groups/groups',
    ]);
  });
});
