import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { assertScimError } from '../assert-scim.ts';
import { created, found, list, type Check, type Kit } from './kit.ts';

const SEARCH = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest';

/** Three resources whose external ids begin with a prefix of their own, in this order. */
const three = async (kit: Kit): Promise<{ prefix: string; ids: string[] }> => {
  const prefix = newId();
  const ids: string[] = [];
  for (const letter of ['a', 'b', 'c']) ids.push((await created(kit, { externalId: `${prefix}-${letter}` })).id);
  return { prefix, ids };
};

const sameSet = (left: readonly string[], right: readonly string[]): void => {
  assert.deepEqual(new Set(left), new Set(right));
  assert.equal(left.length, right.length);
};

/** The filter language (RFC 7644 §3.4.2.2). */
const FILTERS: readonly Check[] = [
  [
    'RFC 7644 §3.4.2.2',
    'co, sw, ew',
    async (kit) => {
      const { prefix, ids } = await three(kit);
      sameSet(await found(kit, `externalId co "${prefix.slice(3)}"`), ids);
      sameSet(await found(kit, `externalId sw "${prefix}"`), ids);
      sameSet(await found(kit, `externalId sw "${prefix}" and externalId ew "-b"`), ids.slice(1, 2));
    },
  ],
  [
    'RFC 7644 §3.4.2.2',
    'gt, ge, lt, le',
    async (kit) => {
      const { prefix, ids } = await three(kit);
      const own = `externalId sw "${prefix}" and externalId`;
      sameSet(await found(kit, `${own} gt "${prefix}-b"`), ids.slice(2));
      sameSet(await found(kit, `${own} ge "${prefix}-b"`), ids.slice(1));
      sameSet(await found(kit, `${own} lt "${prefix}-b"`), ids.slice(0, 1));
      sameSet(await found(kit, `${own} le "${prefix}-b"`), ids.slice(0, 2));
    },
  ],
  [
    'RFC 7644 §3.4.2.2',
    'ne holds for what has no value',
    async (kit) => {
      const { id } = await created(kit, { externalId: null });
      const { prefix, ids } = await three(kit);
      assert.deepEqual(await found(kit, `id eq "${id}" and externalId ne "x"`), [id]);
      sameSet(await found(kit, `externalId sw "${prefix}" and externalId ne "${prefix}-a"`), ids.slice(1));
    },
  ],
  [
    'RFC 7644 §3.4.2.2',
    'pr is a value that is there',
    async (kit) => {
      const [one, two] = [await created(kit), await created(kit, { externalId: null })];
      sameSet(await found(kit, `(id eq "${one.id}" or id eq "${two.id}") and externalId pr`), [one.id]);
      sameSet(await found(kit, `(id eq "${one.id}" or id eq "${two.id}") and not (externalId pr)`), [two.id]);
    },
  ],
  [
    'RFC 7644 §3.4.2.2',
    'and binds stronger than or',
    async (kit) => {
      const { prefix, ids } = await three(kit);
      const [a, b, c] = ['a', 'b', 'c'].map((letter) => `externalId eq "${prefix}-${letter}"`);
      sameSet(await found(kit, `${a ?? ''} or ${b ?? ''} and ${c ?? ''}`), ids.slice(0, 1));
      sameSet(await found(kit, `(${a ?? ''} or ${b ?? ''}) and ${c ?? ''}`), []);
      sameSet(await found(kit, `${c ?? ''} and ${b ?? ''} or ${a ?? ''}`), ids.slice(0, 1));
    },
  ],
  [
    'RFC 7644 §3.4.2.2',
    'not binds to its parentheses',
    async (kit) => {
      const { prefix, ids } = await three(kit);
      sameSet(await found(kit, `not (externalId ew "-a") and externalId sw "${prefix}"`), ids.slice(1));
      sameSet(
        await found(kit, `externalId sw "${prefix}" and not (externalId ew "-a" or externalId ew "-b")`),
        ids.slice(2),
      );
    },
  ],
  [
    'RFC 7644 §3.4.2.2',
    'dates are instants',
    async (kit) => {
      const { id, meta } = await created(kit);
      const at = new Date(meta['created'] ?? '');
      const elsewhere = new Date(at.getTime() + 3_600_000).toISOString().replace('Z', '+01:00');
      for (const filter of [
        `meta.created eq "${elsewhere}"`,
        `meta.created ge "${at.toISOString()}"`,
        'meta.lastModified gt "2000-01-01T00:00:00Z"',
      ])
        assert.deepEqual(await found(kit, `id eq "${id}" and ${filter}`), [id], filter);
      assert.deepEqual(await found(kit, `id eq "${id}" and meta.created lt "${at.toISOString()}"`), []);
    },
  ],
  [
    'RFC 7644 §3.4.2.2',
    'metacharacters of SQL mean themselves',
    async (kit) => {
      const { prefix } = await three(kit);
      for (const value of ['%', '_', `${prefix.slice(0, 5)}%`, `' OR '1'='1`, '\\\\', '.*'])
        assert.deepEqual(await found(kit, `externalId sw "${prefix}" and externalId co "${value}"`), [], value);
    },
  ],
];

/** Order (RFC 7644 §3.4.2.3) and `.search` (§3.4.3). */
const ORDERS: readonly Check[] = [
  [
    'RFC 7644 §3.4.2.3',
    'sortBy orders, ascending where nothing is said',
    async (kit) => {
      const { prefix, ids } = await three(kit);
      const filter = encodeURIComponent(`externalId sw "${prefix}"`);
      const sorted = async (query: string): Promise<string[]> =>
        (await list(kit, `?filter=${filter}&${query}`)).body.Resources.map(({ id }) => id);
      assert.deepEqual(await sorted('sortBy=externalId'), ids);
      assert.deepEqual(await sorted('sortBy=externalId&sortOrder=ascending'), ids);
      assert.deepEqual(await sorted('sortBy=externalId&sortOrder=descending'), ids.toReversed());
      assert.deepEqual(await sorted(`sortBy=${kit.urn}:${kit.name}`), await sorted(`sortBy=${kit.name}`));
    },
  ],
  [
    'RFC 7644 §3.4.3',
    '.search finds what a GET finds',
    async (kit) => {
      const { prefix, ids } = await three(kit);
      const { status, body } = await kit.scim('POST', `${kit.endpoint}/.search`, {
        schemas: [SEARCH],
        filter: `externalId sw "${prefix}"`,
        attributes: ['externalId'],
        sortBy: 'externalId',
        startIndex: 1,
        count: 2,
      });
      assert.equal(status, 200, JSON.stringify(body));
      assert.deepEqual([body.totalResults, body.itemsPerPage], [3, 2]);
      assert.deepEqual(
        body.Resources.map(({ id }) => id),
        ids.slice(0, 2),
      );
      for (const resource of body.Resources)
        assert.deepEqual(Object.keys(resource).sort(), ['externalId', 'id', 'schemas']);
    },
  ],
  [
    'RFC 7644 §3.4.3',
    '.search of everything finds every type',
    async (kit) => {
      const { prefix, ids } = await three(kit);
      const { status, body } = await kit.scim('POST', '/.search', {
        schemas: [SEARCH],
        filter: `externalId sw "${prefix}"`,
      });
      assert.equal(status, 200, JSON.stringify(body));
      sameSet(
        body.Resources.map(({ id }) => id),
        ids,
      );
      assert.ok(body.Resources.every(({ meta }) => meta['resourceType'] === kit.type));
    },
  ],
];

const walk = async (kit: Kit, query: string): Promise<string[]> => {
  const ids: string[] = [];
  let cursor: unknown = '';
  for (let page = 0; typeof cursor === 'string' && page < 50; page += 1) {
    const { body } = await list(kit, `?${query}&cursor=${encodeURIComponent(cursor)}`);
    ids.push(...body.Resources.map(({ id }) => id));
    cursor = body['nextCursor'];
  }
  return ids;
};

/** Cursors (RFC 9865). */
const CURSORS: readonly Check[] = [
  [
    'RFC 9865 §2',
    'a walk by cursor sees everybody once',
    async (kit) => {
      const { prefix, ids } = await three(kit);
      assert.deepEqual(
        await walk(kit, `count=1&sortBy=externalId&filter=${encodeURIComponent(`externalId sw "${prefix}"`)}`),
        ids,
      );
    },
  ],
  [
    'RFC 9865 §2',
    'the first page is asked for with an empty cursor, the last has no next',
    async (kit) => {
      const { prefix } = await three(kit);
      const query = `?count=2&filter=${encodeURIComponent(`externalId sw "${prefix}"`)}`;
      const first = (await list(kit, `${query}&cursor=`)).body;
      assert.equal(typeof first['nextCursor'], 'string');
      assert.equal('previousCursor' in first, false);
      const second = (await list(kit, `${query}&cursor=${String(first['nextCursor'])}`)).body;
      assert.equal('nextCursor' in second, false);
      assert.equal(second.Resources.length, 1);
      const back = (await list(kit, `${query}&cursor=${String(second['previousCursor'])}`)).body;
      assert.deepEqual(back.Resources, first.Resources);
    },
  ],
  [
    'RFC 9865 §2.1',
    'a cursor nobody issued is invalidCursor',
    async (kit) => {
      for (const cursor of ['x', '!!', 'AAAA'])
        assertScimError(
          await kit.scim('GET', `${kit.endpoint}?cursor=${encodeURIComponent(cursor)}`),
          400,
          'invalidCursor',
        );
    },
  ],
  [
    'RFC 9865 §2.1',
    'a count that cannot be is invalidCount',
    async (kit) => {
      assertScimError(await kit.scim('GET', `${kit.endpoint}?cursor=&count=-1`), 400, 'invalidCount');
    },
  ],
  [
    'RFC 9865 §2',
    'a walk goes on behind what was deleted, and misses nobody',
    async (kit) => {
      const { prefix, ids } = await three(kit);
      const query = `?count=1&sortBy=externalId&filter=${encodeURIComponent(`externalId sw "${prefix}"`)}`;
      const first = (await list(kit, `${query}&cursor=`)).body;
      await kit.scim('DELETE', `${kit.endpoint}/${ids[0] ?? ''}`);
      const second = (await list(kit, `${query}&cursor=${String(first['nextCursor'])}`)).body;
      assert.deepEqual(
        second.Resources.map(({ id }) => id),
        ids.slice(1, 2),
      );
    },
  ],
  [
    'RFC 9865 §2',
    'without a word about paging there is a page by index',
    async (kit) => {
      const { body } = await list(kit, '');
      assert.equal('nextCursor' in body, false);
      assert.equal(body.startIndex, 1);
    },
  ],
];

export const QUERIES: readonly Check[] = [...FILTERS, ...ORDERS, ...CURSORS];
