import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { assertScimError } from '../assert-scim.ts';
import { CORE_USER, ENTERPRISE } from '../model/vocabulary.ts';
import { created, found, patch, patched, read, type Check, type Kit } from './kit.ts';

const emailsOf = (body: { readonly emails: readonly Readonly<Record<string, unknown>>[] }) => body.emails;

const USERS: readonly Check[] = [
  [
    'RFC 7644 §3.5.2',
    'setting one primary clears the others',
    async (kit) => {
      const body = await created(kit, {
        emails: [
          { value: `${newId()}@x`, type: 'work', primary: true },
          { value: `${newId()}@x`, type: 'home' },
        ],
      });
      const after = await patched(kit, body, { op: 'replace', path: 'emails[type eq "home"].primary', value: true });
      assert.deepEqual(
        emailsOf(after).map(({ type, primary }) => [type, primary ?? false]),
        [
          ['work', false],
          ['home', true],
        ],
      );
    },
  ],
  [
    'RFC 7643 §2.4',
    'two primaries are refused',
    async (kit) => {
      const emails = [
        { value: 'a@x', primary: true },
        { value: 'b@x', primary: true },
      ];
      assertScimError(await kit.scim('POST', '/Users', { userName: newId(), emails }), 400, 'invalidValue');
      assertScimError(
        await patch(kit, await created(kit), { op: 'add', path: 'emails', value: emails }),
        400,
        'invalidValue',
      );
    },
  ],
  [
    'RFC 7644 §3.5.2',
    'schemas follow the extension',
    async (kit) => {
      const body = await created(kit);
      const with_ = await patched(kit, body, { op: 'add', path: `${ENTERPRISE}:department`, value: 'R&D' });
      assert.deepEqual(with_.schemas, [CORE_USER, ENTERPRISE]);
      assert.deepEqual((await patched(kit, body, { op: 'remove', path: `${ENTERPRISE}:department` })).schemas, [
        CORE_USER,
      ]);
    },
  ],
  [
    'RFC 7644 §3.5.2.3',
    'replace with a filter that matches nothing is noTarget',
    async (kit) => {
      assertScimError(
        await patch(kit, await created(kit), { op: 'replace', path: 'emails[type eq "work"].value', value: 'x@y' }),
        400,
        'noTarget',
      );
    },
  ],
  [
    'RFC 7644 §3.5.2.2',
    'remove with a filter removes what matches, and only that',
    async (kit) => {
      const [work, home] = [`${newId()}@x`, `${newId()}@x`];
      const body = await created(kit, {
        emails: [
          { value: work, type: 'work' },
          { value: home, type: 'home' },
        ],
      });
      assert.deepEqual(
        emailsOf(await patched(kit, body, { op: 'remove', path: 'emails[type eq "work"]' })).map(({ value }) => value),
        [home],
      );
    },
  ],
  [
    'RFC 7644 §3.5.2.1',
    'add to a list keeps what is there',
    async (kit) => {
      const [one, two] = [`${newId()}@x`, `${newId()}@x`];
      const body = await created(kit, { emails: [{ value: one }] });
      assert.deepEqual(
        emailsOf(await patched(kit, body, { op: 'add', path: 'emails', value: [{ value: two }] })).map(
          ({ value }) => value,
        ),
        [one, two],
      );
    },
  ],
  [
    'RFC 7643 §4.1.1',
    'a password is taken and never given',
    async (kit) => {
      const body = await created(kit, { password: 'correct horse' });
      assert.equal('password' in body || 'password' in (await read(kit, body, '?attributes=password')).body, false);
      assertScimError(
        await kit.scim('GET', `/Users?filter=${encodeURIComponent('password eq "correct horse"')}`),
        400,
        'invalidFilter',
      );
    },
  ],
  [
    'RFC 7643 §4.1.2',
    'groups are readOnly and follow the groups',
    async (kit) => {
      const body = await created(kit);
      assertScimError(
        await patch(kit, body, { op: 'add', path: 'groups', value: [{ value: 'x' }] }),
        400,
        'mutability',
      );
      const group = await kit.scim('POST', '/Groups', { displayName: newId(), members: [{ value: body.id }] });
      assert.deepEqual(
        (await read(kit, body)).body.groups.map(({ value }) => value),
        [group.body.id],
      );
      assert.deepEqual(await found(kit, `groups.value eq "${group.body.id}"`), [body.id]);
    },
  ],
  [
    'RFC 7644 §3.4.2.2',
    'a value path is about one element',
    async (kit) => {
      const { id } = await created(kit, {
        emails: [
          { value: `${newId()}@work.example`, type: 'work' },
          { value: `${newId()}@home.example`, type: 'home' },
        ],
      });
      const own = `id eq "${id}" and`;
      assert.deepEqual(await found(kit, `${own} emails[type eq "work" and value ew "work.example"]`), [id]);
      assert.deepEqual(await found(kit, `${own} emails[type eq "work" and value ew "home.example"]`), []);
      assert.deepEqual(await found(kit, `${own} emails.type eq "work" and emails.value ew "home.example"`), [id]);
    },
  ],
  [
    'RFC 7644 §3.4.2.2',
    'an order of booleans is invalidFilter',
    async (kit) => {
      for (const op of ['gt', 'ge', 'lt', 'le'])
        assertScimError(
          await kit.scim('GET', `/Users?filter=${encodeURIComponent(`active ${op} true`)}`),
          400,
          'invalidFilter',
        );
    },
  ],
];

const GROUPS: readonly Check[] = [
  [
    'RFC 7643 §4.2',
    'a group inside a group is refused',
    async (kit) => {
      const { id } = await created(kit);
      for (const member of [{ value: id }, { value: id, type: 'Group' }])
        assertScimError(
          await patch(kit, await created(kit), { op: 'add', path: 'members', value: [member] }),
          400,
          'invalidValue',
        );
    },
  ],
  [
    'RFC 7643 §4.2',
    'the parts of a member cannot be changed',
    async (kit) => {
      const user = await kit.scim('POST', '/Users', { userName: newId() });
      const body = await created(kit, { members: [{ value: user.body.id }] });
      assertScimError(
        await patch(kit, body, { op: 'replace', path: `members[value eq "${user.body.id}"].value`, value: 'x' }),
        400,
        ['mutability', 'invalidPath'],
      );
    },
  ],
  [
    'RFC 7644 §3.5.2',
    'an answer to a PATCH has no body and its version',
    async (kit) => {
      const body = await created(kit);
      const answer = await patch(kit, body, { op: 'replace', path: 'externalId', value: newId() });
      assert.deepEqual([answer.status, answer.body], [204, {}]);
      assert.equal(answer.headers.get('etag'), (await read(kit, body)).headers.get('etag'));
    },
  ],
];

const DISCOVERY: readonly Check[] = [
  [
    'RFC 7644 §4',
    'ServiceProviderConfig says what is there, and it is',
    async ({ scim }) => {
      const { body } = await scim('GET', '/ServiceProviderConfig');
      for (const feature of ['patch', 'bulk', 'filter', 'sort', 'etag'])
        assert.equal((body[feature] as { supported: boolean }).supported, true, feature);
      assert.equal((body['changePassword'] as { supported: boolean }).supported, false);
      assert.ok(Array.isArray(body['authenticationSchemes']) && body['authenticationSchemes'].length > 0);
      const { maxResults } = body['filter'] as { maxResults: number };
      assert.equal((await scim('GET', `/Users?count=${String(maxResults + 1)}`)).status, 200);
      const { maxOperations } = body['bulk'] as { maxOperations: number };
      const Operations = Array.from({ length: maxOperations + 1 }, () => ({
        method: 'DELETE',
        path: `/Users/${newId()}`,
      }));
      assertScimError(
        await scim('POST', '/Bulk', { schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'], Operations }),
        413,
      );
    },
  ],
  [
    'RFC 9865 §4',
    'ServiceProviderConfig says how one pages',
    async ({ scim }) => {
      const pagination = (await scim('GET', '/ServiceProviderConfig')).body['pagination'] as Readonly<
        Record<string, unknown>
      >;
      assert.deepEqual(
        [pagination['cursor'], pagination['index'], pagination['defaultPaginationMethod']],
        [true, true, 'index'],
      );
      for (const name of ['defaultPageSize', 'maxPageSize', 'cursorTimeout'])
        assert.equal(typeof pagination[name], 'number');
    },
  ],
  [
    'RFC 7644 §4',
    'types and schemas are listed, and read one by one',
    async ({ scim }) => {
      for (const path of ['/ResourceTypes', '/Schemas']) {
        const { Resources: resources } = (await scim('GET', path)).body;
        assert.ok(resources.length > 1, path);
        for (const { id, meta } of resources) {
          const one = await scim('GET', `${path}/${id}`);
          assert.deepEqual([one.status, one.body.id], [200, id]);
          assert.ok(meta['location']?.endsWith(`${path}/${id}`) ?? false);
        }
      }
      assertScimError(await scim('GET', '/Schemas/urn:nobody'), 404);
      assertScimError(await scim('GET', '/ResourceTypes/Nobody'), 404);
    },
  ],
  [
    'RFC 7644 §4',
    'a filter on discovery is 403',
    async ({ scim }) => {
      for (const path of ['/ServiceProviderConfig', '/ResourceTypes', '/Schemas'])
        assertScimError(await scim('GET', `${path}?filter=${encodeURIComponent('id pr')}`), 403);
    },
  ],
  [
    'RFC 7644 §4',
    'discovery is read only',
    async ({ scim }) => {
      for (const path of ['/ServiceProviderConfig', '/ResourceTypes', '/Schemas'])
        for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) assertScimError(await scim(method, path, {}), 405);
    },
  ],
  [
    'RFC 7643 §7',
    'every attribute of every schema says everything of itself',
    async ({ scim }) => {
      const check = (attributes: readonly Readonly<Record<string, unknown>>[]): void => {
        for (const attribute of attributes) {
          for (const name of ['name', 'type', 'description', 'mutability', 'returned', 'uniqueness'])
            assert.equal(typeof attribute[name], 'string', name);
          for (const name of ['multiValued', 'required', 'caseExact'])
            assert.equal(typeof attribute[name], 'boolean', name);
          if (attribute['type'] === 'complex')
            check(attribute['subAttributes'] as readonly Readonly<Record<string, unknown>>[]);
        }
      };
      for (const schema of (await scim('GET', '/Schemas')).body.Resources)
        check(schema['attributes'] as readonly Readonly<Record<string, unknown>>[]);
    },
  ],
  [
    'RFC 7644 §3.11',
    '/Me is 501 or leads on, and says so',
    async ({ scim }) => {
      const { status } = await scim('GET', '/Me');
      assert.ok([308, 404, 501].includes(status), String(status));
    },
  ],
];

/** Of one type only, or of none. */
export const ONCE: readonly (readonly [about: string, type: Kit['type'], checks: readonly Check[]])[] = [
  ['users only', 'User', USERS],
  ['groups only', 'Group', GROUPS],
  ['discovery', 'User', DISCOVERY],
];
