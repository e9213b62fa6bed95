import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { assertScimError } from '../assert-scim.ts';
import { assertSame, at, bodyOf, created, found, newName, read, type Check } from './kit.ts';

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** Names, values and metadata (RFC 7643 §2, §3). */
export const NAMES: readonly Check[] = [
  [
    'RFC 7643 §2.1',
    'attribute names have no case',
    async (kit) => {
      const { scim, endpoint, name } = kit;
      const value = newName();
      const { status, body } = await scim('POST', endpoint, { [name.toUpperCase()]: value, EXTERNALID: newId() });
      assert.equal(status, 201, JSON.stringify(body));
      assert.equal(body[name], value);
      assert.ok(body.externalId !== undefined);
    },
  ],
  [
    'RFC 7643 §2.5',
    'null is unassigned in a POST',
    async (kit) => {
      assert.equal('externalId' in (await created(kit, { externalId: null })), false);
    },
  ],
  [
    'RFC 7643 §2.5',
    'null is unassigned in a PUT',
    async (kit) => {
      const body = await created(kit);
      const put = await kit.scim('PUT', at(kit, body), { ...body, externalId: null });
      assert.equal(put.status, 200, JSON.stringify(put.body));
      assert.equal('externalId' in put.body, false);
    },
  ],
  [
    'RFC 7643 §3.1',
    'id is given by the service, readOnly, unique and stable',
    async (kit) => {
      const [one, two] = [await created(kit, { id: 'mine' }), await created(kit, { id: 'mine' })];
      assert.notEqual(one.id, 'mine');
      assert.notEqual(one.id, two.id);
      assert.equal((await read(kit, one)).body.id, one.id);
    },
  ],
  [
    'RFC 7643 §3.1',
    'id is compared with case',
    async (kit) => {
      const { id } = await created(kit);
      assert.deepEqual(await found(kit, `id eq "${id}"`), [id]);
      if (id !== id.toUpperCase()) assert.deepEqual(await found(kit, `id eq "${id.toUpperCase()}"`), []);
    },
  ],
  [
    'RFC 7643 §3.1',
    'externalId is compared with case',
    async (kit) => {
      const body = await created(kit, { externalId: `Case-${newId()}` });
      const externalId = body.externalId ?? '';
      assert.deepEqual(await found(kit, `externalId eq "${externalId}"`), [body.id]);
      assert.deepEqual(await found(kit, `externalId eq "${externalId.toUpperCase()}"`), []);
      await created(kit, { externalId: externalId.toUpperCase() });
    },
  ],
  [
    'RFC 7643 §3.1',
    'externalId is unique within the connection',
    async (kit) => {
      const { externalId } = await created(kit);
      assertScimError(await kit.scim('POST', kit.endpoint, bodyOf(kit, { externalId })), 409, 'uniqueness');
    },
  ],
  [
    'RFC 7643 §3.1',
    'externalId is free in another connection',
    async (kit) => {
      const { externalId } = await created(kit);
      assert.equal((await kit.elsewhere('POST', kit.endpoint, bodyOf(kit, { externalId }))).status, 201);
    },
  ],
  [
    'RFC 7643 §3.1',
    'meta says type, dates, place and version',
    async (kit) => {
      const { meta } = await created(kit);
      assert.equal(meta['resourceType'], kit.type);
      assert.match(meta['created'] ?? '', RFC3339);
      assert.match(meta['lastModified'] ?? '', RFC3339);
      assert.equal(new URL(meta['location'] ?? '').pathname.split('/').at(-2), kit.endpoint.slice(1));
      assert.match(meta['version'] ?? '', /^W\/"\d+"$/);
    },
  ],
  [
    'RFC 7643 §3.1',
    'a client does not write meta',
    async (kit) => {
      const body = await created(kit, {
        meta: { created: '2000-01-01T00:00:00Z', version: 'W/"77"', resourceType: 'X' },
      });
      assert.notEqual(body.meta['created'], '2000-01-01T00:00:00Z');
      assert.equal(body.meta['resourceType'], kit.type);
    },
  ],
  [
    'RFC 7643 §4.1, §4.2',
    'the name is unique without regard to case',
    async (kit) => {
      const value = newName();
      await created(kit, { [kit.name]: value });
      assertScimError(
        await kit.scim('POST', kit.endpoint, bodyOf(kit, { [kit.name]: value.toUpperCase() })),
        409,
        'uniqueness',
      );
    },
  ],
  [
    'RFC 7643 §4.1, §4.2',
    'the name is found without regard to case',
    async (kit) => {
      const body = await created(kit);
      const value = body[kit.name === 'userName' ? 'userName' : 'displayName'];
      for (const spelling of [value, value.toLowerCase(), value.toUpperCase()])
        assert.deepEqual(await found(kit, `${kit.name} eq "${spelling}"`), [body.id]);
    },
  ],
  [
    'RFC 7643 §7',
    'values are kept as they were sent',
    async (kit) => {
      for (const value of [
        `  ${newId()}  `,
        `ÄÖ ${newId()}`,
        `😀${newId()}`,
        `"\\/${newId()}`,
        `<b>${newId()}`,
        `=1+1 ${newId()}`,
      ])
        assert.equal((await created(kit, { externalId: value })).externalId, value);
    },
  ],
  [
    'RFC 7643 §3',
    'schemas are those of the resource',
    async (kit) => {
      assert.deepEqual((await created(kit)).schemas, [kit.urn]);
    },
  ],
  [
    'RFC 7643 §3',
    'schemas are compared without case',
    async (kit) => {
      assert.deepEqual((await created(kit, { schemas: [kit.urn.toUpperCase()] })).schemas, [kit.urn]);
    },
  ],
];

/** Create, replace, delete (RFC 7644 §3.3, §3.5.1, §3.6). */
export const WRITES: readonly Check[] = [
  [
    'RFC 7644 §3.3',
    'a create is 201 with place, version and the whole resource',
    async (kit) => {
      const answer = await kit.scim('POST', kit.endpoint, bodyOf(kit));
      assert.equal(answer.status, 201);
      assert.equal(answer.headers.get('location'), answer.body.meta['location']);
      assert.equal(answer.headers.get('etag'), answer.body.meta['version']);
      assert.match(answer.headers.get('content-type') ?? '', /^application\/scim\+json/);
      assert.deepEqual((await read(kit, answer.body)).body, answer.body);
    },
  ],
  [
    'RFC 7644 §3.3',
    'application/json is taken as well',
    async (kit) => {
      const answer = await kit.scim('POST', kit.endpoint, bodyOf(kit), { 'content-type': 'application/json' });
      assert.equal(answer.status, 201);
    },
  ],
  [
    'RFC 7644 §3.3.1',
    'a duplicate is 409',
    async (kit) => {
      const body = await created(kit);
      const { id: _id, meta: _meta, ...same } = body;
      assertScimError(await kit.scim('POST', kit.endpoint, same), 409, 'uniqueness');
    },
  ],
  [
    'RFC 7644 §3.3',
    'what is required is required',
    async (kit) => {
      for (const value of [undefined, null, ''])
        assertScimError(
          await kit.scim('POST', kit.endpoint, {
            schemas: [kit.urn],
            ...(value === undefined ? {} : { [kit.name]: value }),
          }),
          400,
          'invalidValue',
        );
    },
  ],
  [
    'RFC 7644 §3.3',
    'an unknown attribute is refused, not dropped',
    async (kit) => {
      assertScimError(await kit.scim('POST', kit.endpoint, bodyOf(kit, { nope: 'x' })), 400, 'invalidSyntax');
    },
  ],
  [
    'RFC 7644 §3.3',
    'a body that is no object is refused',
    async (kit) => {
      for (const body of [[], 'x', 5, null])
        assertScimError(await kit.scim('POST', kit.endpoint, body), 400, 'invalidSyntax');
    },
  ],
  [
    'RFC 7644 §3.5.1',
    'a PUT never creates',
    async (kit) => {
      assertScimError(await kit.scim('PUT', `${kit.endpoint}/${newId()}`, bodyOf(kit)), 404);
    },
  ],
  [
    'RFC 7644 §3.5.1',
    'a PUT clears what it leaves out',
    async (kit) => {
      const body = await created(kit);
      const put = await kit.scim('PUT', at(kit, body), { schemas: [kit.urn], [kit.name]: body[kit.name] });
      assert.equal(put.status, 200);
      assert.equal('externalId' in put.body, false);
      assert.notEqual(put.body.meta['version'], body.meta['version']);
    },
  ],
  [
    'RFC 7644 §3.5.1',
    'a PUT ignores what is readOnly',
    async (kit) => {
      const body = await created(kit);
      const put = await kit.scim('PUT', at(kit, body), {
        ...body,
        id: newId(),
        meta: { version: 'W/"9"', created: '2000-01-01T00:00:00Z' },
      });
      assert.deepEqual(put.body, body);
    },
  ],
  [
    'RFC 7644 §3.5.1',
    'a PUT without what is required is refused and changes nothing',
    async (kit) => {
      const body = await created(kit);
      assertScimError(await kit.scim('PUT', at(kit, body), { schemas: [kit.urn] }), 400, 'invalidValue');
      await assertSame(kit, body);
    },
  ],
  [
    'RFC 7644 §3.5.1',
    'a PUT to a name that is taken is 409 and changes nothing',
    async (kit) => {
      const [body, other] = [await created(kit), await created(kit)];
      assertScimError(
        await kit.scim('PUT', at(kit, body), bodyOf(kit, { [kit.name]: other[kit.name] })),
        409,
        'uniqueness',
      );
      await assertSame(kit, body);
    },
  ],
  [
    'RFC 7644 §3.5.1',
    'a PUT keeps created and moves lastModified',
    async (kit) => {
      const body = await created(kit);
      const put = await kit.scim('PUT', at(kit, body), bodyOf(kit));
      assert.equal(put.body.meta['created'], body.meta['created']);
      assert.ok((put.body.meta['lastModified'] ?? '') > (body.meta['lastModified'] ?? ''));
    },
  ],
  [
    'RFC 7644 §3.6',
    'a DELETE is 204 without a body',
    async (kit) => {
      const body = await created(kit);
      const answer = await kit.scim('DELETE', at(kit, body));
      assert.deepEqual([answer.status, answer.body], [204, {}]);
    },
  ],
  [
    'RFC 7644 §3.6',
    'what was deleted is 404 for every method and in no list',
    async (kit) => {
      const body = await created(kit);
      await kit.scim('DELETE', at(kit, body));
      for (const [method, payload] of [
        ['GET', undefined],
        ['PUT', bodyOf(kit)],
        ['PATCH', { Operations: [{ op: 'replace', path: kit.name, value: 'x' }] }],
        ['DELETE', undefined],
      ] as const)
        assertScimError(await kit.scim(method, at(kit, body), payload), 404);
      assert.deepEqual(await found(kit, `externalId eq "${body.externalId ?? ''}"`), []);
    },
  ],
  [
    'RFC 7644 §3.6',
    'the names of what was deleted are free again',
    async (kit) => {
      const body = await created(kit);
      await kit.scim('DELETE', at(kit, body));
      await created(kit, { [kit.name]: body[kit.name], externalId: body.externalId });
    },
  ],
];
