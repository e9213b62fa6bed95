import assert from 'node:assert/strict';
import { type RecordingScim, startRecordingScim } from './support/recording-scim.ts';
import { startTestIdp, type TestIdp } from './support/running-idp.ts';

const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const CORE_USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
const CORE_GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const ENTERPRISE_USER = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const ADSCIM_GROUP = 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group';

describe('SCIM as Entra sends it', () => {
  let idp: TestIdp;
  let scim: RecordingScim;

  beforeEach(async () => {
    scim = await startRecordingScim();
    idp = await startTestIdp({ flavor: 'entra' });
  });
  afterEach(async () => {
    await idp.close();
    await scim.close();
  });

  async function provisionTo(profile: 'entra' | 'entra-062020'): Promise<void> {
    await idp.api('PUT', '/api/targets', { scim: { baseUrl: scim.baseUrl, token: 'top-secret', profile } });
    const answer = await idp.api('POST', '/api/provision');
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  }

  function scimId(type: 'Users' | 'Groups', name: string): string {
    const found = scim.resources(type).find((one) => one['userName'] === name || one['displayName'] === name);
    assert.ok(found, name);
    return found.id;
  }

  function patchOf(resource: string, ...Operations: unknown[]): unknown {
    return { line: `PATCH ${resource}`, body: { schemas: [PATCH_OP], Operations } };
  }

  it('tests the connection with a random user name, looks everybody up and creates who is missing', async () => {
    await provisionTo('entra');
    const sent = scim.take();
    assert.match(sent[0]?.line ?? '', /^GET \/Users\?filter=userName eq "[0-9a-f-]{36}"$/);
    assert.deepEqual(sent.slice(1, 3), [
      { line: 'GET /Users?filter=userName eq "dana@acme.example"', body: null },
      {
        line: 'POST /Users',
        body: {
          schemas: [CORE_USER, ENTERPRISE_USER],
          externalId: '3f1c2a58-7a0e-4c0b-9a41-0d5f6b1e0001',
          userName: 'dana@acme.example',
          active: true,
          displayName: 'Dana Developer',
          emails: [{ primary: true, type: 'work', value: 'dana@acme.example' }],
          meta: { resourceType: 'User' },
          name: { formatted: 'Dana Developer', familyName: 'Developer', givenName: 'Dana' },
          roles: [],
        },
      },
    ]);
    const groups = sent.filter((one) => one.line.includes('/Groups'));
    assert.deepEqual(groups.slice(0, 2), [
      { line: 'GET /Groups?excludedAttributes=members&filter=displayName eq "Developers"', body: null },
      {
        line: 'POST /Groups',
        body: {
          schemas: [CORE_GROUP, ADSCIM_GROUP],
          externalId: '9b7e4d10-52c3-4b8f-8e66-41a7c9de0001',
          displayName: 'Developers',
          meta: { resourceType: 'Group' },
        },
      },
    ]);
    const developers = `/Groups/${scimId('Groups', 'Developers')}`;
    const additions = ['dana@acme.example', 'zoe@acme.example'].map((name) =>
      patchOf(developers, { op: 'Add', path: 'members', value: [{ $ref: null, value: scimId('Users', name) }] }),
    );
    const byLine = (left: unknown, right: unknown): number => JSON.stringify(left).localeCompare(JSON.stringify(right));
    assert.deepEqual(groups.slice(2, 4).toSorted(byLine), additions.toSorted(byLine), 'one PATCH per member');
    await idp.api('POST', '/api/provision');
    assert.deepEqual(scim.take(), [], 'a second run has nothing to say');
  });

  it('sends no User-Agent', async () => {
    await provisionTo('entra');
    for (const { method, headers } of scim.requests) {
      assert.equal(headers['user-agent'], undefined);
      assert.equal(headers.accept, 'application/scim+json');
      const type = method === 'GET' ? undefined : 'application/scim+json; charset=utf-8';
      assert.equal(headers['content-type'], type);
    }
  });

  it('disables with a capitalised operation and a boolean written as a string', async () => {
    await provisionTo('entra');
    scim.take();
    const dana = `/Users/${scimId('Users', 'dana@acme.example')}`;
    await idp.api('POST', '/api/people/dana/deactivate');
    await idp.api('POST', '/api/people/dana/activate');
    assert.deepEqual(scim.take(), [
      patchOf(dana, { op: 'Replace', path: 'active', value: 'False' }),
      patchOf(dana, { op: 'Replace', path: 'active', value: 'True' }),
    ]);
  });

  it('changes each attribute in an operation of its own', async () => {
    await provisionTo('entra');
    scim.take();
    const dana = `/Users/${scimId('Users', 'dana@acme.example')}`;
    await idp.api('PATCH', '/api/people/dana', { givenName: 'Diana', email: 'diana@acme.example' });
    assert.deepEqual(scim.take(), [
      patchOf(
        dana,
        { op: 'Replace', path: 'displayName', value: 'Diana Developer' },
        { op: 'Replace', path: 'name.givenName', value: 'Diana' },
        { op: 'Replace', path: 'emails[type eq "work"].value', value: 'diana@acme.example' },
      ),
    ]);
  });

  it('removes one member by value, and deletes users', async () => {
    await provisionTo('entra');
    scim.take();
    const [group, rosa] = [scimId('Groups', 'Release Managers'), scimId('Users', 'rosa@acme.example')];
    await idp.api('DELETE', '/api/groups/release-managers/members/rosa');
    const left = await idp.api('DELETE', '/api/people/rosa');
    assert.equal(left.status, 200);
    assert.deepEqual(scim.take(), [
      patchOf(`/Groups/${group}`, { op: 'Remove', path: 'members', value: [{ $ref: null, value: rosa }] }),
      { line: `DELETE /Users/${rosa}`, body: null },
    ]);
  });

  it('with the 062020 flag: lower case, real booleans, dotted keys without path, filtered removal', async () => {
    await provisionTo('entra-062020');
    scim.take();
    const [group, ravi] = [scimId('Groups', 'Release Managers'), scimId('Users', 'ravi@acme.example')];
    await idp.api('POST', '/api/people/ravi/deactivate');
    await idp.api('PATCH', '/api/people/ravi', { givenName: 'Rav', email: 'rav@acme.example' });
    await idp.api('DELETE', '/api/groups/release-managers/members/ravi');
    await idp.api('PUT', '/api/groups/release-managers/members/ravi');
    assert.deepEqual(scim.take(), [
      patchOf(`/Users/${ravi}`, { op: 'replace', path: 'active', value: false }),
      patchOf(
        `/Users/${ravi}`,
        { op: 'replace', path: 'emails[type eq "work"].value', value: 'rav@acme.example' },
        { op: 'replace', value: { displayName: 'Rav Release', 'name.givenName': 'Rav' } },
      ),
      patchOf(`/Groups/${group}`, { op: 'remove', path: `members[value eq "${ravi}"]` }),
      patchOf(`/Groups/${group}`, { op: 'Add', path: 'members', value: [{ $ref: null, value: ravi }] }),
    ]);
  });

  it('links people the target knows already by adding and replacing only what differs', async () => {
    await fetch(`${scim.baseUrl}/Users`, {
      method: 'POST',
      body: JSON.stringify({
        userName: 'dana@acme.example',
        displayName: 'D.',
        active: true,
        name: { givenName: 'Dana' },
      }),
    });
    scim.take();
    await provisionTo('entra');
    const sent = scim.take();
    assert.deepEqual(
      sent[2],
      patchOf(
        '/Users/users-1',
        { op: 'Replace', path: 'displayName', value: 'Dana Developer' },
        { op: 'Add', path: 'name.familyName', value: 'Developer' },
        { op: 'Add', path: 'emails[type eq "work"].value', value: 'dana@acme.example' },
        { op: 'Add', path: 'externalId', value: '3f1c2a58-7a0e-4c0b-9a41-0d5f6b1e0001' },
      ),
    );
  });

  it('forgets what it told the target when the flavour is switched, and looks everybody up again', async () => {
    await provisionTo('entra');
    scim.take();
    await idp.api('PUT', '/api/targets', { flavor: 'okta', scim: { baseUrl: scim.baseUrl, token: 'top-secret' } });
    const answer = await idp.api('POST', '/api/provision');
    assert.equal(answer.status, 200);
    const lines = scim.take().map((one) => one.line);
    assert.equal(lines.filter((line) => line.startsWith('POST')).length, 0, 'nobody is created twice');
    const externalIds = scim.resources('Users').map((one) => one['externalId']);
    assert.ok(externalIds.includes('00u1d4n4dev3l0per5d7'));
  });
});
