/** What nobody should send in the words of a protocol: SCIM and OAuth say what is wrong as their standards have it. */
import assert from 'node:assert/strict';

import type { Company } from '../src/company.ts';
import { fieldsOf, send, type Reply } from '../support/http.ts';
import { BOOT_TIMEOUT_MS, sharedCompany } from '../support/shared-company.ts';
import { GROUP_SCHEMA, PATCH_SCHEMA, USER_SCHEMA, Workshop } from '../support/workshop.ts';

const SCIM_ERROR = 'urn:ietf:params:scim:api:messages:2.0:Error';

describe('bad requests', function () {
  this.timeout(180_000);
  let company: Company;
  let workshop: Workshop;

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    company = await sharedCompany();
    workshop = await Workshop.open(company);
  });

  const urlOf = (path: string): string => company.constellation.origin + path;

  describe('in SCIM', () => {
    const directory = async (method: string, path: string, body?: object): Promise<Reply> =>
      await send(method, urlOf(`/scim/v2${path}`), {
        headers: { ...workshop.credentials.directory, 'content-type': 'application/scim+json' },
        body: body === undefined ? undefined : JSON.stringify(body),
      });

    const assertScim = (reply: Reply, status: number, scimType: string | undefined, what: string): void => {
      assert.equal(reply.status, status, `${what}: ${reply.text}`);
      const { schemas, status: text, scimType: type, detail } = fieldsOf(reply.json);
      assert.deepEqual([schemas, text, type], [[SCIM_ERROR], String(status), scimType], `${what}: ${reply.text}`);
      assert.ok(typeof detail === 'string' && detail !== '');
    };

    it('a filter nobody understands is invalidFilter (RFC 7644 §3.4.2.2)', async () => {
      const filters = [
        'nothing eq "x"',
        'userName',
        'userName eq',
        'userName eq "a',
        'meta.lastModified gt "yesterday"',
        'userName eq "a" or',
        'not userName eq "a"',
        'emails[type eq "work"',
        '__proto__ eq "x"',
        `userName eq "${'x'.repeat(4_000)}`,
        Array.from({ length: 300 }, () => 'id eq "x"').join(' and '),
      ];
      for (const resource of ['Users', 'Groups'])
        for (const filter of filters)
          assertScim(
            await directory('GET', `/${resource}?filter=${encodeURIComponent(filter)}`),
            400,
            'invalidFilter',
            filter,
          );
    });

    it('a path nobody understands is invalidPath or noTarget, and nothing of the request is done', async () => {
      const user = await workshop.user();
      const before = (await directory('GET', `/Users/${user}`)).text;
      const operations: readonly (readonly [path: string, scimType: string])[] = [
        ['nothing', 'invalidPath'],
        ['name.nothing', 'invalidPath'],
        ['emails[', 'invalidPath'],
        ['__proto__.polluted', 'invalidPath'],
        ['constructor', 'invalidPath'],
        ['emails[type eq "home"].value', 'noTarget'],
      ];
      for (const [path, scimType] of operations) {
        const Operations = [
          { op: 'replace', path: 'displayName', value: 'Half Done' },
          { op: 'replace', path, value: 'x@acme.example' },
        ];
        assertScim(
          await directory('PATCH', `/Users/${user}`, { schemas: [PATCH_SCHEMA], Operations }),
          400,
          scimType,
          path,
        );
      }
      assert.equal((await directory('GET', `/Users/${user}`)).text, before);
    });

    it('a request of another shape is invalidSyntax or invalidValue', async () => {
      const user = await workshop.user();
      const patch = { schemas: [PATCH_SCHEMA], Operations: [{ op: 'dance', path: 'displayName', value: 'x' }] };
      assertScim(await directory('PATCH', `/Users/${user}`, patch), 400, 'invalidSyntax', 'an operation nobody knows');
      const none = { schemas: [PATCH_SCHEMA], Operations: [] };
      assertScim(await directory('PATCH', `/Users/${user}`, none), 400, 'invalidSyntax', 'no operation');
      const nameless = { schemas: [USER_SCHEMA], active: true };
      assertScim(await directory('POST', '/Users', nameless), 400, 'invalidValue', 'no userName');
      const foreign = { schemas: ['urn:example:nothing'], userName: workshop.name('x') };
      assertScim(await directory('POST', '/Users', foreign), 400, 'invalidSyntax', 'another schema');
      const ghost = { schemas: [GROUP_SCHEMA], displayName: workshop.name('g'), members: [{ value: 'nobody' }] };
      assertScim(await directory('POST', '/Groups', ghost), 400, 'invalidValue', 'a member who is nobody');
    });

    it('the same name twice is uniqueness, somebody unknown 404, an old version 412', async () => {
      const body = workshop.userBody();
      assert.equal((await directory('POST', '/Users', body)).status, 201);
      assertScim(await directory('POST', '/Users', body), 409, 'uniqueness', 'the same name');
      const unknown = '/Users/0190a000-0000-7000-8000-000000000001';
      assertScim(await directory('GET', unknown), 404, undefined, 'nobody');
      const user = await workshop.user();
      const reply = await send('DELETE', urlOf(`/scim/v2/Users/${user}`), {
        headers: { ...workshop.credentials.directory, 'if-match': 'W/"999"' },
      });
      assertScim(reply, 412, undefined, 'an old version');
    });
  });

  describe('in OAuth', () => {
    const form = async (path: string, fields: Record<string, string>, headers = {}): Promise<Reply> =>
      await send('POST', urlOf(`/oidc${path}`), {
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: new URLSearchParams(fields).toString(),
      });

    it('reaches no endpoint that takes credentials under another spelling: guesses are counted where they arrive', async () => {
      const guess = { grant_type: 'client_credentials', client_id: 'nobody', client_secret: 'guess' };
      assert.equal((await form('/token', guess)).status, 401);
      for (const path of ['/Token', '/token/', '/TOKEN/introspection', '/token/Revocation/'])
        assert.equal((await form(path, guess)).status, 404, path);
    });

    it('is one of OAuth’s errors (RFC 6749 §5.2)', async () => {
      const cases: readonly (readonly [what: string, reply: Reply, status: number, error: string])[] = [
        ['no client', await form('/token', { grant_type: 'authorization_code', code: 'x' }), 400, 'invalid_request'],
        [
          'an unknown client',
          await form('/token', {
            grant_type: 'refresh_token',
            refresh_token: 'x',
            client_id: 'nobody',
            client_secret: 'x',
          }),
          401,
          'invalid_client',
        ],
        ['introspection by nobody', await form('/token/introspection', { token: 'x' }), 400, 'invalid_request'],
        ['no token', await send('GET', urlOf('/oidc/me')), 401, 'invalid_token'],
        [
          'another token',
          await send('GET', urlOf('/oidc/me'), { headers: { authorization: 'Bearer x' } }),
          401,
          'invalid_token',
        ],
      ];
      for (const [what, reply, status, error] of cases) {
        assert.deepEqual([reply.status, fieldsOf(reply.json)['error']], [status, error], `${what}: ${reply.text}`);
      }
    });
  });
});
