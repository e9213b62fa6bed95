import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { assertScimError } from '../assert-scim.ts';
import { PATCH_OP } from '../dialects/shape.ts';
import { assertSame, at, created, newName, patch, patched, type Check, type Kit } from './kit.ts';

const refuses = async (kit: Kit, words: string | readonly string[], ...operations: unknown[]): Promise<void> => {
  const body = await created(kit);
  assertScimError(await patch(kit, body, ...operations), 400, words);
  await assertSame(kit, body);
};

const changesNothing = async (
  kit: Kit,
  operation: (body: Awaited<ReturnType<typeof created>>) => unknown,
): Promise<void> => {
  const body = await created(kit);
  assert.deepEqual(await patched(kit, body, operation(body)), body);
};

/** PATCH (RFC 7644 §3.5.2). */
export const PATCHES: readonly Check[] = [
  [
    'RFC 7644 §3.5.2',
    'op has no case',
    async (kit) => {
      for (const op of ['replace', 'Replace', 'REPLACE', 'add', 'Add']) {
        const value = newId();
        assert.equal((await patched(kit, await created(kit), { op, path: 'externalId', value })).externalId, value);
      }
    },
  ],
  [
    'RFC 7644 §3.10',
    'paths have no case and may carry their schema',
    async (kit) => {
      for (const path of [kit.name.toUpperCase(), `${kit.urn}:${kit.name}`, `${kit.urn.toUpperCase()}:${kit.name}`]) {
        const value = newName();
        assert.equal((await patched(kit, await created(kit), { op: 'replace', path, value }))[kit.name], value);
      }
    },
  ],
  [
    'RFC 7644 §3.5.2',
    'operations apply in order',
    async (kit) => {
      const body = await patched(
        kit,
        await created(kit),
        { op: 'replace', path: 'externalId', value: 'first' },
        { op: 'remove', path: 'externalId' },
        { op: 'add', path: 'externalId', value: `last-${newId()}` },
      );
      assert.match(body.externalId ?? '', /^last-/);
    },
  ],
  [
    'RFC 7644 §3.5.2',
    'an error in any operation leaves nothing of the others',
    async (kit) => {
      await refuses(
        kit,
        'invalidPath',
        { op: 'replace', path: 'externalId', value: newId() },
        { op: 'replace', path: 'nope', value: 'x' },
      );
    },
  ],
  [
    'RFC 7644 §3.5.2.1',
    'add without a path adds every attribute of its value',
    async (kit) => {
      const [value, externalId] = [newName(), newId()];
      const body = await patched(kit, await created(kit), { op: 'add', value: { [kit.name]: value, externalId } });
      assert.deepEqual([body[kit.name], body.externalId], [value, externalId]);
    },
  ],
  [
    'RFC 7644 §3.5.2.1',
    'add of a value that is there changes nothing, lastModified neither',
    async (kit) => {
      await changesNothing(kit, ({ externalId }) => ({ op: 'add', path: 'externalId', value: externalId }));
    },
  ],
  [
    'RFC 7644 §3.5.2.1',
    'add to a single value replaces it',
    async (kit) => {
      const value = newId();
      assert.equal(
        (await patched(kit, await created(kit), { op: 'add', path: 'externalId', value })).externalId,
        value,
      );
    },
  ],
  [
    'RFC 7644 §3.5.2.2',
    'remove without a path is noTarget',
    async (kit) => {
      await refuses(kit, 'noTarget', { op: 'remove' });
    },
  ],
  [
    'RFC 7644 §3.5.2.2',
    'remove unassigns',
    async (kit) => {
      assert.equal(
        'externalId' in (await patched(kit, await created(kit), { op: 'remove', path: 'externalId' })),
        false,
      );
    },
  ],
  [
    'RFC 7644 §3.5.2.2',
    'remove of what is required is mutability',
    async (kit) => {
      await refuses(kit, 'mutability', { op: 'remove', path: kit.name });
    },
  ],
  [
    'RFC 7644 §3.5.2.2',
    'remove of what is readOnly is mutability',
    async (kit) => {
      await refuses(kit, 'mutability', { op: 'remove', path: 'id' });
      await refuses(kit, 'mutability', { op: 'remove', path: 'meta' });
    },
  ],
  [
    'RFC 7644 §3.5.2.2',
    'remove of what is not there changes nothing',
    async (kit) => {
      const body = await created(kit, { externalId: null });
      assert.deepEqual(await patched(kit, body, { op: 'remove', path: 'externalId' }), body);
    },
  ],
  [
    'RFC 7644 §3.5.2.3',
    'replace of what is not there adds it',
    async (kit) => {
      const value = newId();
      const body = await created(kit, { externalId: null });
      assert.equal((await patched(kit, body, { op: 'replace', path: 'externalId', value })).externalId, value);
    },
  ],
  [
    'RFC 7644 §3.5.2.3',
    'replace without a path replaces every attribute of its value, and no other',
    async (kit) => {
      const value = newName();
      const before = await created(kit);
      const body = await patched(kit, before, { op: 'replace', value: { [kit.name]: value } });
      assert.deepEqual([body[kit.name], body.externalId], [value, before.externalId]);
    },
  ],
  [
    'RFC 7644 §3.5.2.3',
    'replace by the same value changes nothing, lastModified neither',
    async (kit) => {
      await changesNothing(kit, (body) => ({ op: 'replace', path: kit.name, value: body[kit.name] }));
    },
  ],
  [
    'RFC 7644 §3.5.2.3',
    'a change there and back changes nothing',
    async (kit) => {
      const body = await created(kit);
      assert.deepEqual(
        await patched(
          kit,
          body,
          { op: 'replace', path: 'externalId', value: newId() },
          { op: 'replace', path: 'externalId', value: body.externalId },
        ),
        body,
      );
    },
  ],
  [
    'RFC 7644 §3.5.2',
    'what is readOnly is mutability',
    async (kit) => {
      await refuses(kit, 'mutability', { op: 'replace', path: 'id', value: 'x' });
      await refuses(kit, 'mutability', { op: 'add', path: 'meta.version', value: 'x' });
    },
  ],
  [
    'RFC 7644 §3.5.2',
    'an unknown path is invalidPath',
    async (kit) => {
      for (const path of ['nope', `${kit.name}.nope`, 'urn:nobody:x', `${kit.urn}:nope`])
        await refuses(kit, 'invalidPath', { op: 'replace', path, value: 'x' });
    },
  ],
  [
    'RFC 7644 §3.5.2',
    'a path that cannot be read is invalidPath',
    async (kit) => {
      for (const path of ['', ' ', '.', '[', 'a b', `${kit.name}.`, '..', 'externalId[', 'externalId]', ':', 'a..b'])
        await refuses(kit, ['invalidPath', 'invalidFilter'], { op: 'replace', path, value: 'x' });
    },
  ],
  [
    'RFC 7644 §3.5.2',
    'null unassigns',
    async (kit) => {
      assert.equal(
        'externalId' in (await patched(kit, await created(kit), { op: 'replace', path: 'externalId', value: null })),
        false,
      );
    },
  ],
  [
    'RFC 7644 §3.5.2',
    'an unknown op is invalidSyntax',
    async (kit) => {
      for (const op of ['move', 'copy', 'test', '', 5, null])
        await refuses(kit, 'invalidSyntax', { op, path: 'externalId', value: 'x' });
    },
  ],
  [
    'RFC 7644 §3.5.2',
    'no operation at all is invalidSyntax',
    async (kit) => {
      await refuses(kit, 'invalidSyntax');
      const body = await created(kit);
      for (const payload of [
        {},
        { schemas: [PATCH_OP] },
        { schemas: [PATCH_OP], Operations: {} },
        { schemas: [PATCH_OP], Operations: null },
      ])
        assertScimError(await kit.scim('PATCH', at(kit, body), payload), 400, 'invalidSyntax');
    },
  ],
  [
    'RFC 7644 §3.5.2',
    'a message of another schema is invalidSyntax',
    async (kit) => {
      const body = await created(kit);
      const Operations = [{ op: 'replace', path: 'externalId', value: 'x' }];
      for (const schemas of [[kit.urn], [], 'x'])
        assertScimError(await kit.scim('PATCH', at(kit, body), { schemas, Operations }), 400, 'invalidSyntax');
      await assertSame(kit, body);
    },
  ],
  [
    'RFC 7644 §3.5.2',
    'add and replace need a value',
    async (kit) => {
      await refuses(kit, ['invalidSyntax', 'invalidValue'], { op: 'add', path: 'externalId' });
      await refuses(kit, ['invalidSyntax', 'invalidValue'], { op: 'replace' });
    },
  ],
  [
    'RFC 7644 §3.5.2',
    'a value of the wrong type is invalidValue',
    async (kit) => {
      for (const value of [5, true, [], {}, ['x']])
        await refuses(kit, 'invalidValue', { op: 'replace', path: kit.name, value });
    },
  ],
  [
    'RFC 7644 §3.5.2',
    'a name that is taken is 409 and changes nothing',
    async (kit) => {
      const [body, other] = [await created(kit), await created(kit)];
      const answer = await patch(
        kit,
        body,
        { op: 'replace', path: 'externalId', value: newId() },
        { op: 'replace', path: kit.name, value: other[kit.name] },
      );
      assertScimError(answer, 409, 'uniqueness');
      await assertSame(kit, body);
    },
  ],
  [
    'RFC 7644 §3.5.2',
    'with attributes the answer has a body',
    async (kit) => {
      const body = await created(kit);
      const answer = await kit.scim('PATCH', `${at(kit, body)}?attributes=${kit.name}`, {
        schemas: [PATCH_OP],
        Operations: [{ op: 'replace', path: 'externalId', value: newId() }],
      });
      assert.equal(answer.status, 200);
      assert.deepEqual(Object.keys(answer.body).sort(), ['id', kit.name, 'schemas'].sort());
    },
  ],
  [
    'RFC 7644 §3.5.2',
    'every effect has its version',
    async (kit) => {
      const body = await created(kit);
      const after = await patched(kit, body, { op: 'replace', path: 'externalId', value: newId() });
      assert.notEqual(after.meta['version'], body.meta['version']);
      assert.ok((after.meta['lastModified'] ?? '') > (body.meta['lastModified'] ?? ''));
      assert.equal(after.meta['created'], body.meta['created']);
    },
  ],
];
