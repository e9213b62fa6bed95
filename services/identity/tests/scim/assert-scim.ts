import assert from 'node:assert/strict';

import type { Answer } from '../support/http.ts';

const ERROR_URN = 'urn:ietf:params:scim:api:messages:2.0:Error';
/** RFC 7644 table 9 and RFC 9865 §2.1; nothing else may be said. */
const SCIM_TYPES: ReadonlySet<string> = new Set([
  'invalidFilter',
  'tooMany',
  'uniqueness',
  'mutability',
  'invalidSyntax',
  'invalidPath',
  'noTarget',
  'invalidValue',
  'invalidVers',
  'sensitive',
  'invalidCursor',
  'expiredCursor',
  'invalidCount',
]);

/** The error of RFC 7644 §3.12: shape, status as a string, a word only where there is one. */
export const assertScimError = (
  { status, headers, body }: Answer,
  expected: number,
  words: string | readonly string[] = [],
): void => {
  const allowed = typeof words === 'string' ? [words] : words;
  const said = JSON.stringify(body).slice(0, 500);
  assert.equal(status, expected, said);
  assert.match(headers.get('content-type') ?? '', /^application\/scim\+json/);
  assert.deepEqual(body.schemas, [ERROR_URN], said);
  assert.equal(body.status, String(expected), 'status is a string');
  assert.ok(typeof body.detail === 'string' && body.detail.length > 0);
  assert.ok(body.detail.length < 1_000, 'an error does not throw everything back');
  const { scimType } = body;
  if (allowed.length === 0) assert.equal(scimType, undefined, said);
  else assert.ok(scimType !== undefined && allowed.includes(scimType), said);
  if (scimType !== undefined) {
    assert.ok(SCIM_TYPES.has(scimType), scimType);
    assert.ok(status === 400 || status === 409);
  }
};
