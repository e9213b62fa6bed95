import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';
import { experiencedMs } from '@sallyport/testing';

import { ask, newDirectory, type Answer, type Body, type Client, type Directory } from '../support/http.ts';
import { newOrganization, startIdentity, type TestIdentity } from '../support/identity.ts';
import { assertScimError } from './assert-scim.ts';

const LIST = 'urn:ietf:params:scim:api:messages:2.0:ListResponse';
const CORE = 'urn:ietf:params:scim:schemas:core:2.0:User';
const GROUPS_WITHIN_MS = 600;

/** Okta's SCIM 2.0 specification test, line by line (facts, scim.md §4.1). */
describe('what Okta validates', () => {
  let identity: TestIdentity;
  let directory: Directory;
  let scim: Client;
  let user: Body;
  const userName = `runscope300${newId()}@atko.com`;

  const okta = {
    schemas: [CORE],
    userName,
    name: { familyName: 'Okta', givenName: 'Runscope' },
    emails: [{ primary: true, value: userName, type: 'work' }],
    displayName: 'Runscope Okta',
    active: true,
  };

  const assertFields = (shown: Body | undefined): void => {
    assert.ok(shown !== undefined);
    for (const text of [
      shown.id,
      shown.userName,
      shown.name['familyName'],
      shown.name['givenName'],
      shown.emails[0]?.['value'],
    ])
      assert.ok(typeof text === 'string' && text !== '');
    assert.equal(typeof shown.active, 'boolean');
  };
  const lookUp = (filter: string): Promise<Answer> => scim('GET', `/Users?filter=${encodeURIComponent(filter)}`);
  const assertNobody = async (filter: string): Promise<void> => {
    const { status, body } = await lookUp(filter);
    assert.deepEqual([status, body.schemas, body.totalResults], [200, [LIST], 0]);
  };

  before(async () => {
    identity = await startIdentity();
    directory = await newDirectory(identity, await newOrganization(identity));
    scim = directory.scim;
    const created = await scim('POST', '/Users', { ...okta, userName: 'first@atko.com', externalId: '00ufirst' });
    user = created.body;
  });
  after(() => identity.close());

  it('1: GET /Users?count=1&startIndex=1 is a list with numbers and a user with every field', async () => {
    const { status, body } = await scim('GET', '/Users?count=1&startIndex=1');
    assert.equal(status, 200);
    assert.deepEqual(body.schemas, [LIST]);
    for (const number of [body.itemsPerPage, body.startIndex, body.totalResults]) assert.equal(typeof number, 'number');
    assert.ok(body.Resources.length > 0);
    assertFields(body.Resources[0]);
  });

  it('2: GET /Users/{id} has the same fields and the same id', async () => {
    const { status, body } = await scim('GET', `/Users/${user.id}`);
    assert.equal(status, 200);
    assert.equal(body.id, user.id);
    assertFields(body);
  });

  it('3: an unknown userName is 200 with totalResults 0', async () => {
    await assertNobody('userName eq "nobody.knows@atko.com"');
  });

  it('4: an unknown id is 404 with the Error schema and a detail', async () => {
    assertScimError(await scim('GET', `/Users/${newId()}`), 404);
  });

  it('5: an unknown e-mail address is 200 with no result', async () => {
    await assertNobody('emails.value eq "nobody.knows@atko.com"');
  });

  it('6: POST creates: 201, active, an id, names as they were sent, the core schema', async () => {
    const { status, body } = await scim('POST', '/Users', okta);
    assert.equal(status, 201);
    assert.equal(body.active, true);
    assert.notEqual(body.id, '');
    assert.deepEqual([body.userName, body.name], [userName, okta.name]);
    assert.ok(body.schemas.includes(CORE));
    user = body;
  });

  it('7: GET reads it back equal', async () => {
    const { status, body } = await scim('GET', `/Users/${user.id}`);
    assert.equal(status, 200);
    assert.deepEqual(body, user);
  });

  it('8: POST of the same again is 409', async () => {
    assertScimError(await scim('POST', '/Users', okta), 409, 'uniqueness');
  });

  it('9: a userName in capitals is found', async () => {
    const { body } = await lookUp(`userName eq "${userName.toUpperCase()}"`);
    assert.deepEqual(
      body.Resources.map(({ id }) => id),
      [user.id],
    );
  });

  it('10: GET /Groups is 200 in under 600 ms with Resources', async () => {
    const tookMs = await experiencedMs(async () => {
      const { status, body } = await scim('GET', '/Groups');
      assert.equal(status, 200);
      assert.ok(Array.isArray(body.Resources));
    });
    assert.ok(tookMs < GROUPS_WITHIN_MS, String(tookMs));
  });

  it('11: a wrong token is 401 with an Error body, status "401"', async () => {
    assertScimError(await ask(identity, 'GET', '/scim/v2/Users', { headers: { authorization: 'Bearer wrong' } }), 401);
    assertScimError(await ask(identity, 'GET', '/scim/v2/Groups'), 401);
  });

  it('12: a numeric id nobody has is 404 with a detail, status "404"', async () => {
    assertScimError(await scim('GET', '/Users/00919288221112222'), 404);
  });
});
