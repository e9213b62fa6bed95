import assert from 'node:assert/strict';

import { assertScimError } from '../assert-scim.ts';
import { created, found, list, type Check, type Kit } from './kit.ts';

const three = async (kit: Kit): Promise<void> => {
  for (let number = 0; number < 3; number += 1) await created(kit);
};

/** Lists and index pages (RFC 7644 §3.4.2). */
export const LISTS: readonly Check[] = [
  [
    'RFC 7644 §3.4.2',
    'a list says what it is, with numbers that are numbers',
    async (kit) => {
      await three(kit);
      const { body } = await list(kit, '?startIndex=1&count=2');
      assert.deepEqual(body.schemas, ['urn:ietf:params:scim:api:messages:2.0:ListResponse']);
      for (const number of [body.totalResults, body.itemsPerPage, body.startIndex])
        assert.ok(Number.isSafeInteger(number));
      assert.deepEqual([body.itemsPerPage, body.Resources.length, body.startIndex], [2, 2, 1]);
      assert.ok(body.totalResults >= 3);
    },
  ],
  [
    'RFC 7644 §3.4.2',
    'nothing found is 200 with an empty list',
    async (kit) => {
      const { body } = await list(kit, `?filter=${encodeURIComponent('externalId eq "nobody"')}`);
      assert.deepEqual([body.totalResults, body.itemsPerPage, body.Resources], [0, 0, []]);
    },
  ],
  [
    'RFC 7644 §3.4.2.4',
    'startIndex below 1 is 1',
    async (kit) => {
      await three(kit);
      const first = (await list(kit, '?startIndex=1&count=1')).body.Resources[0]?.id;
      for (const start of ['0', '-1', '-99']) {
        const { body } = await list(kit, `?startIndex=${start}&count=1`);
        assert.deepEqual([body.startIndex, body.Resources[0]?.id], [1, first]);
      }
    },
  ],
  [
    'RFC 7644 §3.4.2.4',
    'count 0 is totals only',
    async (kit) => {
      await three(kit);
      const { body } = await list(kit, '?count=0');
      assert.ok(body.totalResults >= 3);
      assert.deepEqual([body.itemsPerPage, body.Resources], [0, []]);
    },
  ],
  [
    'RFC 7644 §3.4.2.4',
    'a negative count is 0',
    async (kit) => {
      const { body } = await list(kit, '?count=-5');
      assert.deepEqual([body.itemsPerPage, body.Resources], [0, []]);
    },
  ],
  [
    'RFC 7644 §3.4.2.4',
    'itemsPerPage is what was returned',
    async (kit) => {
      await three(kit);
      const { body } = await list(kit, '?count=500');
      assert.equal(body.itemsPerPage, body.Resources.length);
    },
  ],
  [
    'RFC 7644 §3.4.2.4',
    'a page behind the end is empty',
    async (kit) => {
      const { body } = await list(kit, '?startIndex=100000&count=5');
      assert.deepEqual([body.startIndex, body.itemsPerPage, body.Resources], [100_000, 0, []]);
    },
  ],
  [
    'RFC 7644 §3.4.2.4',
    'count above the maximum is the maximum',
    async (kit) => {
      assert.ok((await list(kit, '?count=1000000')).body.itemsPerPage <= 500);
    },
  ],
  [
    'RFC 7644 §3.4.2.4',
    'the order is stable: pages make up the whole',
    async (kit) => {
      await three(kit);
      const whole = (await list(kit, '?count=500')).body.Resources.map(({ id }) => id);
      const walked: string[] = [];
      for (let start = 1; start <= whole.length; start += 7)
        walked.push(...(await list(kit, `?startIndex=${String(start)}&count=7`)).body.Resources.map(({ id }) => id));
      assert.deepEqual(walked, whole.slice(0, walked.length));
      assert.equal(walked.length, whole.length);
    },
  ],
  [
    'RFC 7644 §3.4.2.4',
    'counts that are no whole numbers are refused',
    async (kit) => {
      for (const query of [
        'count=x',
        'count=1.5',
        'startIndex=x',
        'startIndex=1e3',
        'count=',
        `count=${'9'.repeat(30)}`,
      ])
        assertScimError(await kit.scim('GET', `${kit.endpoint}?${query}`), 400, [
          'invalidSyntax',
          'invalidValue',
          'invalidCount',
        ]);
    },
  ],
  [
    'RFC 7644 §3.4.2.2',
    'a filter that cannot be read is invalidFilter, never all',
    async (kit) => {
      for (const filter of [
        '',
        ' ',
        'eq',
        'id',
        'id eq',
        'eq "x"',
        'id eq "x',
        'id eq "x" and',
        'and id pr',
        '(id eq "x"',
        'id eq "x")',
        'id eq "x" id eq "y"',
        'id === "x"',
        "id eq 'x'",
        '"id" eq "x"',
        'not id eq "x" x',
      ])
        assertScimError(
          await kit.scim('GET', `${kit.endpoint}?filter=${encodeURIComponent(filter)}`),
          400,
          'invalidFilter',
        );
    },
  ],
  [
    'RFC 7644 §3.4.2.2',
    'a filter on an unknown attribute is invalidFilter',
    async (kit) => {
      for (const filter of [
        'nope eq "x"',
        `${kit.urn}:nope eq "x"`,
        'urn:nobody:x eq "x"',
        'meta.nope eq "x"',
        'id.x eq "y"',
      ])
        assertScimError(
          await kit.scim('GET', `${kit.endpoint}?filter=${encodeURIComponent(filter)}`),
          400,
          'invalidFilter',
        );
    },
  ],
  [
    'RFC 7644 §3.4.2.2',
    'operators and names have no case',
    async (kit) => {
      const { id } = await created(kit);
      for (const filter of [
        `ID EQ "${id}"`,
        `Id Eq "${id}" AND eXternalId PR`.replace(' AND eXternalId PR', ''),
        `${kit.urn.toUpperCase()}:${kit.name.toUpperCase()} eq "x" and id eq "${id}"`,
      ])
        assert.deepEqual(await found(kit, filter), filter.includes('"x"') ? [] : [id]);
    },
  ],
  [
    'RFC 7644 §3.4.2.2',
    'and holds when both do',
    async (kit) => {
      const [one, two] = [await created(kit), await created(kit)];
      assert.deepEqual(await found(kit, `id eq "${one.id}" and externalId eq "${one.externalId ?? ''}"`), [one.id]);
      assert.deepEqual(await found(kit, `id eq "${one.id}" and externalId eq "${two.externalId ?? ''}"`), []);
    },
  ],
  [
    'RFC 7159 §7',
    'values are JSON strings with escapes',
    async (kit) => {
      const externalId = `q"\\ü😀-${String(performance.now())}`;
      const { id } = await created(kit, { externalId });
      assert.deepEqual(await found(kit, `externalId eq ${JSON.stringify(externalId)}`), [id]);
      assert.deepEqual(
        await found(
          kit,
          `externalId eq "${[...externalId].map((letter) => (letter.length > 1 ? letter : `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`)).join('')}"`,
        ),
        [id],
      );
    },
  ],
];
