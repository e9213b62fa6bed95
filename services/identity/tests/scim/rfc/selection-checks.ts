import assert from 'node:assert/strict';

import { assertScimError } from '../assert-scim.ts';
import { at, bodyOf, created, read, type Check } from './kit.ts';

/** What an answer carries (RFC 7644 §3.9). */
export const SELECTION: readonly Check[] = [
  [
    'RFC 7644 §3.9',
    'attributes leaves what was asked for, and what is always returned',
    async (kit) => {
      const body = await created(kit);
      assert.deepEqual(
        Object.keys((await read(kit, body, `?attributes=${kit.name}`)).body).sort(),
        ['id', kit.name, 'schemas'].sort(),
      );
    },
  ],
  [
    'RFC 7644 §3.9',
    'attributes with a name nobody has leaves id and schemas',
    async (kit) => {
      assert.deepEqual(Object.keys((await read(kit, await created(kit), '?attributes=nope')).body).sort(), [
        'id',
        'schemas',
      ]);
    },
  ],
  [
    'RFC 7644 §3.9',
    'excludedAttributes leaves out what was named',
    async (kit) => {
      const { body } = await read(kit, await created(kit), '?excludedAttributes=externalId,meta');
      assert.equal('externalId' in body || 'meta' in body, false);
      assert.ok(kit.name in body);
    },
  ],
  [
    'RFC 7644 §3.9',
    'excludedAttributes does not take away id and schemas',
    async (kit) => {
      const { body } = await read(kit, await created(kit), '?excludedAttributes=id,schemas,externalId');
      assert.ok('id' in body && 'schemas' in body && !('externalId' in body));
    },
  ],
  [
    'RFC 7644 §3.9',
    'the two exclude each other',
    async (kit) => {
      const answer = await kit.scim('GET', `${kit.endpoint}?attributes=id&excludedAttributes=meta`);
      assertScimError(answer, 400, ['invalidValue', 'invalidSyntax']);
    },
  ],
  [
    'RFC 7644 §3.10',
    'names may carry their schema, in any case',
    async (kit) => {
      const body = await created(kit);
      for (const name of [kit.name.toUpperCase(), `${kit.urn}:${kit.name}`, `${kit.urn.toLowerCase()}:${kit.name}`])
        assert.ok(kit.name in (await read(kit, body, `?attributes=${encodeURIComponent(name)}`)).body, name);
    },
  ],
  [
    'RFC 7644 §3.9',
    'lists select, too',
    async (kit) => {
      await created(kit);
      const { body } = await kit.scim('GET', `${kit.endpoint}?attributes=${kit.name}&count=2`);
      for (const resource of body.Resources)
        assert.deepEqual(Object.keys(resource).sort(), ['id', kit.name, 'schemas'].sort());
    },
  ],
  [
    'RFC 7644 §3.9',
    'creates and replacements select, too',
    async (kit) => {
      const { scim, endpoint, name } = kit;
      const posted = await scim('POST', `${endpoint}?attributes=${name}`, bodyOf(kit));
      assert.deepEqual(Object.keys(posted.body).sort(), ['id', name, 'schemas'].sort());
      const put = await scim('PUT', `${at(kit, posted.body)}?attributes=${name}`, bodyOf(kit));
      assert.deepEqual(Object.keys(put.body).sort(), ['id', name, 'schemas'].sort());
    },
  ],
];
