import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import type { Answer } from '../../support/http.ts';
import { bodyOf, created, newName, read, type Check, type Kit } from './kit.ts';

const REQUEST = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest';
const RESPONSE = 'urn:ietf:params:scim:api:messages:2.0:BulkResponse';

interface Outcome {
  readonly method: string;
  readonly bulkId?: string;
  readonly location?: string;
  readonly version?: string;
  readonly status: string;
  readonly response?: { readonly status: string; readonly scimType?: string; readonly schemas: readonly string[] };
}

const send = async (kit: Kit, operations: readonly unknown[], more: object = {}): Promise<readonly Outcome[]> => {
  const answer: Answer = await kit.scim('POST', '/Bulk', { schemas: [REQUEST], ...more, Operations: operations });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.deepEqual(answer.body.schemas, [RESPONSE]);
  return answer.body['Operations'] as readonly Outcome[];
};

const post = (kit: Kit, bulkId: string, more: object = {}) => ({
  method: 'POST',
  path: kit.endpoint,
  bulkId,
  data: bodyOf(kit, more),
});
const idOf = ({ location = '' }: Outcome): string => location.split('/').at(-1) ?? '';

/** Bulk (RFC 7644 §3.7). */
export const BULKS: readonly Check[] = [
  [
    'RFC 7644 §3.7',
    'creates, replaces, changes and deletes in one request, each answered in its place',
    async (kit) => {
      const [one, two, three] = [await created(kit), await created(kit), await created(kit)];
      const externalId = newId();
      const outcomes = await send(kit, [
        post(kit, 'new'),
        { method: 'PUT', path: `${kit.endpoint}/${one.id}`, data: bodyOf(kit, { externalId: null }) },
        {
          method: 'PATCH',
          path: `${kit.endpoint}/${two.id}`,
          data: { Operations: [{ op: 'replace', path: 'externalId', value: externalId }] },
        },
        { method: 'DELETE', path: `${kit.endpoint}/${three.id}` },
      ]);
      assert.deepEqual(
        outcomes.map(({ method, status }) => [method, status.slice(0, 2)]),
        [
          ['POST', '20'],
          ['PUT', '20'],
          ['PATCH', '20'],
          ['DELETE', '20'],
        ],
      );
      const [made] = outcomes;
      assert.ok(made !== undefined);
      assert.deepEqual([made.bulkId, made.status], ['new', '201']);
      assert.equal((await kit.scim('GET', `${kit.endpoint}/${idOf(made)}`)).status, 200);
      assert.equal('externalId' in (await read(kit, one)).body, false);
      assert.equal((await read(kit, two)).body.externalId, externalId);
      assert.equal((await kit.scim('GET', `${kit.endpoint}/${three.id}`)).status, 404);
    },
  ],
  [
    'RFC 7644 §3.7.3',
    'an operation that fails says why, and the others are carried out',
    async (kit) => {
      const taken = await created(kit);
      const [failed, made] = await send(kit, [post(kit, 'a', { [kit.name]: taken[kit.name] }), post(kit, 'b')]);
      assert.equal(failed?.status, '409');
      assert.deepEqual([failed.response?.status, failed.response?.scimType], ['409', 'uniqueness']);
      assert.equal('location' in failed, false);
      assert.equal(made?.status, '201');
    },
  ],
  [
    'RFC 7644 §3.7.3',
    'failOnErrors stops',
    async (kit) => {
      const name = newName();
      const outcomes = await send(
        kit,
        [{ method: 'DELETE', path: `${kit.endpoint}/${newId()}` }, post(kit, 'a', { [kit.name]: name })],
        { failOnErrors: 1 },
      );
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ['404'],
      );
      assert.equal(
        (await kit.scim('GET', `${kit.endpoint}?filter=${encodeURIComponent(`${kit.name} eq "${name}"`)}`)).body
          .totalResults,
        0,
      );
    },
  ],
  [
    'RFC 7644 §3.7',
    'version is If-Match',
    async (kit) => {
      const body = await created(kit);
      const change = { method: 'DELETE', path: `${kit.endpoint}/${body.id}` };
      const [late, right] = await send(kit, [
        { ...change, version: 'W/"99"' },
        { ...change, version: body.meta['version'] },
      ]);
      assert.deepEqual([late?.status, right?.status], ['412', '204']);
    },
  ],
  [
    'RFC 7644 §3.7.2',
    'bulkId stands for what is created, in paths as well',
    async (kit) => {
      const value = newId();
      const [made, changed] = await send(kit, [
        post(kit, 'x'),
        {
          method: 'PATCH',
          path: `${kit.endpoint}/bulkId:x`,
          data: { Operations: [{ op: 'replace', path: 'externalId', value }] },
        },
      ]);
      assert.ok(made !== undefined);
      assert.equal(changed?.status.startsWith('20'), true);
      assert.equal((await kit.scim('GET', `${kit.endpoint}/${idOf(made)}`)).body.externalId, value);
    },
  ],
  [
    'RFC 7644 §3.7.2',
    'bulkId stands for members, whatever the order',
    async ({ scim, ...kit }) => {
      const outcomes = await send({ scim, ...kit }, [
        {
          method: 'POST',
          path: '/Groups',
          bulkId: 'group',
          data: { displayName: newId(), members: [{ value: 'bulkId:user' }] },
        },
        { method: 'POST', path: '/Users', bulkId: 'user', data: { userName: newName() } },
      ]);
      const [group, user] = outcomes;
      assert.ok(group !== undefined && user !== undefined);
      assert.deepEqual(
        (await scim('GET', `/Groups/${idOf(group)}`)).body.members.map(({ value }) => value),
        [idOf(user)],
      );
    },
  ],
  [
    'RFC 7644 §3.7.2',
    'a bulkId nobody creates is refused',
    async (kit) => {
      const [failed] = await send(kit, [{ method: 'DELETE', path: `${kit.endpoint}/bulkId:nobody` }]);
      assert.match(failed?.status ?? '', /^4/);
    },
  ],
];
