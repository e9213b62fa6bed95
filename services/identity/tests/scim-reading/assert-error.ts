import assert from 'node:assert/strict';

import type { Answer } from '../support/http.ts';

/** A SCIM error of exactly this kind (RFC 7644 §3.12). */
export const assertError = ({ status, headers, body }: Answer, expected: number, scimType?: string): void => {
  assert.equal(status, expected, JSON.stringify(body));
  assert.match(headers.get('content-type') ?? '', /^application\/scim\+json/);
  assert.deepEqual(body.schemas, ['urn:ietf:params:scim:api:messages:2.0:Error']);
  assert.equal(body.status, String(expected));
  assert.equal(body.scimType, scimType, JSON.stringify(body));
  assert.notEqual(body.detail, '');
};
