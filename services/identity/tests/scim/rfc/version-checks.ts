import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { assertScimError } from '../assert-scim.ts';
import { assertSame, at, bodyOf, created, read, type Check } from './kit.ts';

const versioned = async (kit: Parameters<Check[2]>[0], method: 'PUT' | 'PATCH' | 'DELETE', tag: string) => {
  const body = await created(kit);
  const payload =
    method === 'PUT'
      ? bodyOf(kit)
      : method === 'PATCH'
        ? { Operations: [{ op: 'replace', path: 'externalId', value: newId() }] }
        : undefined;
  const answer = await kit.scim(method, at(kit, body), payload, {
    'if-match': tag === '' ? (body.meta['version'] ?? '') : tag,
  });
  return { body, answer };
};

/** Versions (RFC 7644 §3.14). */
export const VERSIONS: readonly Check[] = [
  [
    'RFC 7644 §3.14',
    'the version is weak, and the ETag of the answer',
    async (kit) => {
      const { headers, body } = await read(kit, await created(kit));
      assert.match(headers.get('etag') ?? '', /^W\/"\d+"$/);
      assert.equal(headers.get('etag'), body.meta['version']);
    },
  ],
  ...(['PUT', 'PATCH', 'DELETE'] as const).flatMap((method): Check[] => [
    [
      'RFC 7644 §3.14',
      `If-Match with another version refuses a ${method}: 412`,
      async (kit) => {
        const { body, answer } = await versioned(kit, method, 'W/"99"');
        assertScimError(answer, 412);
        await assertSame(kit, body);
      },
    ],
    [
      'RFC 7644 §3.14',
      `If-Match with this version lets a ${method} through`,
      async (kit) => {
        assert.ok((await versioned(kit, method, '')).answer.status < 300);
      },
    ],
    [
      'RFC 9110 §13.1.1',
      `If-Match * lets a ${method} through`,
      async (kit) => {
        assert.ok((await versioned(kit, method, '*')).answer.status < 300);
      },
    ],
  ]),
  [
    'RFC 7644 §3.14',
    'If-None-Match with this version is 304 without a body',
    async (kit) => {
      const body = await created(kit);
      const answer = await kit.scim('GET', at(kit, body), undefined, { 'if-none-match': body.meta['version'] ?? '' });
      assert.deepEqual([answer.status, answer.body], [304, {}]);
      assert.equal(answer.headers.get('etag'), body.meta['version']);
    },
  ],
  [
    'RFC 7644 §3.14',
    'If-None-Match with another version is 200',
    async (kit) => {
      assert.equal(
        (await kit.scim('GET', at(kit, await created(kit)), undefined, { 'if-none-match': 'W/"99"' })).status,
        200,
      );
    },
  ],
  [
    'RFC 9110 §8.8.3.2',
    'versions are compared weakly',
    async (kit) => {
      const body = await created(kit);
      const strong = (body.meta['version'] ?? '').replace('W/', '');
      assert.equal((await kit.scim('GET', at(kit, body), undefined, { 'if-none-match': strong })).status, 304);
      assert.equal((await kit.scim('DELETE', at(kit, body), undefined, { 'if-match': `"77", ${strong}` })).status, 204);
    },
  ],
];

/** Errors (RFC 7644 §3.12). */
export const ERRORS: readonly Check[] = [
  [
    'RFC 7644 §3.12',
    '401 without a token, and how to come with one',
    async (kit) => {
      const answer = await kit.scim('GET', kit.endpoint, undefined, { authorization: 'Bearer nonsense' });
      assertScimError(answer, 401);
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer/);
    },
  ],
  [
    'RFC 7644 §3.12',
    '404 for an id nobody has',
    async (kit) => {
      for (const id of [newId(), '1', 'x']) assertScimError(await kit.scim('GET', `${kit.endpoint}/${id}`), 404);
    },
  ],
  [
    'RFC 7644 §3.12',
    '405 for a method a place does not have, and which it has',
    async (kit) => {
      const answer = await kit.scim('DELETE', kit.endpoint);
      assertScimError(answer, 405);
      assert.match(answer.headers.get('allow') ?? '', /GET/);
    },
  ],
  [
    'RFC 7644 §3.12',
    '413 for a body that is too large',
    async (kit) => {
      assertScimError(await kit.scim('POST', kit.endpoint, { [kit.name]: 'x'.repeat(17 * 1024 * 1024) }), 413);
    },
  ],
  [
    'RFC 7644 §3.12',
    '415 for a type of body that is not ours',
    async (kit) => {
      assertScimError(await kit.scim('POST', kit.endpoint, bodyOf(kit), { 'content-type': 'text/plain' }), 415);
    },
  ],
  [
    'RFC 7644 §3.12',
    '400 invalidSyntax for what is no JSON',
    async (kit) => {
      assertScimError(await kit.scim('POST', kit.endpoint, 5), 400, 'invalidSyntax');
    },
  ],
  [
    'RFC 7644 §3.12',
    '400 invalidSyntax for an unknown schema',
    async (kit) => {
      assertScimError(
        await kit.scim('POST', kit.endpoint, bodyOf(kit, { schemas: [kit.urn, 'urn:nobody'] })),
        400,
        'invalidSyntax',
      );
    },
  ],
  [
    'RFC 7644 §3.12',
    '400 invalidValue for a value of the wrong type',
    async (kit) => {
      for (const value of [5, true, [], {}])
        assertScimError(await kit.scim('POST', kit.endpoint, bodyOf(kit, { [kit.name]: value })), 400, 'invalidValue');
    },
  ],
];
