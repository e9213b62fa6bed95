import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import type { Answer, Body, Client } from '../../support/http.ts';
import { PATCH_OP } from '../dialects/shape.ts';
import { CORE_GROUP, CORE_USER } from '../model/vocabulary.ts';

/** One of the two types of resources, so that every check is made of both. */
export interface Kit {
  readonly type: 'User' | 'Group';
  readonly endpoint: '/Users' | '/Groups';
  readonly urn: string;
  /** The required attribute, unique without regard to case. */
  readonly name: 'userName' | 'displayName';
  readonly scim: Client;
  /** Another connection of the same organisation. */
  readonly elsewhere: Client;
}

export type Check = readonly [clause: string, says: string, run: (kit: Kit) => Promise<void>];

export const kitOf = (type: Kit['type'], scim: Client, elsewhere: Client): Kit =>
  type === 'User'
    ? { type, endpoint: '/Users', urn: CORE_USER, name: 'userName', scim, elsewhere }
    : { type, endpoint: '/Groups', urn: CORE_GROUP, name: 'displayName', scim, elsewhere };

export const newName = (): string => `${newId()}@Example.com`;

export const bodyOf = ({ urn, name }: Kit, more: object = {}): Record<string, unknown> => ({
  schemas: [urn],
  [name]: newName(),
  externalId: `Ext-${newId()}`,
  ...more,
});

export const created = async (kit: Kit, more: object = {}): Promise<Body> => {
  const answer = await kit.scim('POST', kit.endpoint, bodyOf(kit, more));
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body;
};

export const at = ({ endpoint }: Kit, { id }: Body): string => `${endpoint}/${id}`;

export const read = async (kit: Kit, body: Body, query = ''): Promise<Answer> => {
  const answer = await kit.scim('GET', `${at(kit, body)}${query}`);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer;
};

/** PATCH that must succeed; answers the resource as it is read then. */
export const patched = async (kit: Kit, body: Body, ...operations: unknown[]): Promise<Body> => {
  const answer = await patch(kit, body, ...operations);
  assert.equal(answer.status, kit.type === 'User' ? 200 : 204, JSON.stringify(answer.body));
  return (await read(kit, body)).body;
};

export const patch = (kit: Kit, body: Body, ...operations: unknown[]): Promise<Answer> =>
  kit.scim('PATCH', at(kit, body), { schemas: [PATCH_OP], Operations: operations });

export const list = async (kit: Kit, query: string): Promise<Answer> => {
  const answer = await kit.scim('GET', `${kit.endpoint}${query}`);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer;
};

export const found = async (kit: Kit, filter: string): Promise<string[]> =>
  (await list(kit, `?filter=${encodeURIComponent(filter)}`)).body.Resources.map(({ id }) => id);

/** Nothing of a resource is another than it was, its version and dates included. */
export const assertSame = async (kit: Kit, before: Body): Promise<void> => {
  assert.deepEqual((await read(kit, before)).body, before);
};
