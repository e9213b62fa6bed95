import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';
import fc from 'fast-check';

import { DIALECTS } from '../profiles/index.ts';
import { applyPatch } from './apply-patch.ts';
import { GROUP } from './group-schema.ts';
import type { Document, JsonValue } from './json.ts';
import { normalisePatch } from './normalise-patch.ts';
import { PATCH_SCHEMA } from './patch-request.ts';
import { ENTERPRISE_USER_SCHEMA as ENTERPRISE, USER, USER_SCHEMA } from './user-schema.ts';

const user = (): Document => ({
  userName: 'bjensen',
  active: true,
  name: { givenName: 'Barbara', familyName: 'Jensen' },
  emails: [
    { value: 'work@example.com', type: 'work', primary: true },
    { value: 'home@example.com', type: 'home' },
  ],
  [ENTERPRISE]: { employeeNumber: '701984', manager: { value: 'm1', $ref: '../Users/m1' } },
});

const request = (...operations: unknown[]) => ({ schemas: [PATCH_SCHEMA], Operations: operations });

const patched = (operations: readonly unknown[], before: Document = user()): Document =>
  applyPatch(
    USER,
    before,
    normalisePatch(USER, request(...operations), DIALECTS.auto).filter((step) => step.kind !== 'members'),
  );

const refuses = (code: string, ...operations: unknown[]): void => {
  const before = user();
  assert.throws(
    () => patched(operations, before),
    (error) => isAppError(error) && error.code === code,
    `${code} for ${JSON.stringify(operations)}`,
  );
  assert.deepEqual(before, user(), 'a refused request leaves the document as it was');
};

describe('PATCH of a user: dialects', () => {
  it('deactivates: Okta OIN, pathless replace', () => {
    assert.equal(patched([{ op: 'replace', value: { active: false } }])['active'], false);
  });

  it('deactivates: Entra, capitalised op and the string "False" (RFC 7644 §3.5.2.3)', () => {
    for (const value of ['False', 'false', 'FALSE', false])
      assert.equal(patched([{ op: 'Replace', path: 'active', value }])['active'], false);
    assert.equal(patched([{ op: 'Replace', path: 'Active', value: 'False' }])['active'], false);
    assert.equal(patched([{ op: 'replace', value: { ACTIVE: 'False' } }])['active'], false);
    assert.equal(patched([{ op: 'replace', path: `${USER_SCHEMA}:active`, value: false }])['active'], false);
  });

  it('never reads anything else as "still active"', () => {
    for (const value of [0, 1, 'no', 'inactive', '', null, {}, [], [false]])
      refuses('INVALID_VALUE', { op: 'replace', path: 'active', value });
    refuses('INVALID_VALUE', { op: 'remove', path: 'active' });
  });

  it('sets several attributes: Entra, one operation each', () => {
    const after = patched([
      { op: 'Add', path: 'nickName', value: 'Babs' },
      { op: 'Replace', path: 'displayName', value: 'B J' },
      { op: 'Replace', path: 'emails[type eq "work"].value', value: 'new@example.com' },
      { op: 'Replace', path: 'name.givenName', value: 'Barb' },
      { op: 'Add', path: 'externalId', value: 'x-1' },
      { op: 'Replace', path: `${ENTERPRISE}:employeeNumber`, value: '2' },
    ]);
    assert.equal(after['nickName'], 'Babs');
    assert.equal(after['displayName'], 'B J');
    assert.deepEqual(after['emails'], [
      { value: 'new@example.com', type: 'work', primary: true },
      { value: 'home@example.com', type: 'home' },
    ]);
    assert.deepEqual(after['name'], { givenName: 'Barb', familyName: 'Jensen' });
    assert.equal(after['externalId'], 'x-1');
    assert.deepEqual(after[ENTERPRISE], { employeeNumber: '2', manager: { value: 'm1', $ref: '../Users/m1' } });
  });

  it('sets several attributes: Entra 062020, pathless with dotted and URN keys', () => {
    const after = patched([
      { op: 'replace', path: 'emails[type eq "work"].value', value: 'new@example.com' },
      { op: 'replace', value: { displayName: 'B', 'name.givenName': 'K', [`${ENTERPRISE}:employeeNumber`]: 'A' } },
    ]);
    assert.equal(after['displayName'], 'B');
    assert.deepEqual(after['name'], { givenName: 'K', familyName: 'Jensen' });
    assert.equal((after[ENTERPRISE] as Document)['employeeNumber'], 'A');
  });

  it('adds an address that is not there: Entra Add with a filtered path', () => {
    const after = patched([{ op: 'Add', path: 'phoneNumbers[type eq "mobile"].value', value: '+1' }]);
    assert.deepEqual(after['phoneNumbers'], [{ type: 'mobile', value: '+1' }]);
  });

  it('sets, changes and clears a manager: Entra, bare id and ""', () => {
    const path = `${ENTERPRISE}:manager`;
    const changed = patched([{ op: 'Replace', path, value: 'm2' }]);
    assert.deepEqual((changed[ENTERPRISE] as Document)['manager'], { value: 'm2' }, 'the old $ref is gone');
    const cleared = patched([{ op: 'Replace', path, value: '' }]);
    assert.deepEqual(cleared[ENTERPRISE], { employeeNumber: '701984' });
    assert.deepEqual(patched([{ op: 'Remove', path }])[ENTERPRISE], { employeeNumber: '701984' });
  });

  it('accepts a whole extension as a pathless key or as a path', () => {
    for (const operation of [
      { op: 'replace', value: { [ENTERPRISE]: { department: 'R&D' } } },
      { op: 'add', path: ENTERPRISE.toUpperCase(), value: { department: 'R&D' } },
    ])
      assert.equal((patched([operation])[ENTERPRISE] as Document)['department'], 'R&D');
    assert.equal(patched([{ op: 'remove', path: ENTERPRISE }])[ENTERPRISE], undefined);
  });

  it('leaves an attribute unassigned after "" and then null (Microsoft validator: null update)', () => {
    const first = patched([{ op: 'replace', path: 'title', value: '' }], { ...user(), title: 'Dr' });
    assert.equal('title' in first, false);
    assert.equal('title' in patched([{ op: 'replace', path: 'title', value: null }], first), false);
  });

  it('ignores the id that Okta repeats, and only that', () => {
    const steps = normalisePatch(
      GROUP,
      request({ op: 'replace', value: { id: 'g1', displayName: 'N' } }),
      DIALECTS.auto,
    );
    assert.deepEqual(steps, [{ kind: 'set', place: ['displayName'], value: 'N' }]);
    refuses('MUTABILITY', { op: 'replace', path: 'id', value: 'x' });
    refuses('MUTABILITY', { op: 'replace', value: { meta: { created: '2020' } } });
    refuses('MUTABILITY', { op: 'replace', path: 'meta.created', value: '2020' });
    refuses('MUTABILITY', { op: 'add', path: 'groups', value: [{ value: 'g1' }] });
    refuses('MUTABILITY', { op: 'replace', path: 'password', value: 'secret' });
  });

  it('accepts the request without schemas (Okta), and refuses another schema', () => {
    assert.equal(
      normalisePatch(USER, { Operations: [{ op: 'replace', value: { active: false } }] }, DIALECTS.auto).length,
      1,
    );
    assert.throws(
      () =>
        normalisePatch(USER, { schemas: [USER_SCHEMA], Operations: [{ op: 'remove', path: 'title' }] }, DIALECTS.auto),
      (error) => isAppError(error) && error.code === 'INVALID_SYNTAX',
    );
  });
});

describe('PATCH: rules of the RFC', () => {
  it('applies operations in order and all or nothing (§3.5.2)', () => {
    const after = patched([
      { op: 'replace', path: 'title', value: 'a' },
      { op: 'replace', path: 'title', value: 'b' },
    ]);
    assert.equal(after['title'], 'b');
    refuses('NO_TARGET', { op: 'replace', path: 'title', value: 'a' }, { op: 'remove' });
    refuses(
      'NO_TARGET',
      { op: 'replace', path: 'title', value: 'a' },
      { op: 'replace', path: 'emails[type eq "other"].value', value: 'x' },
    );
  });

  it('changes nothing when what is added is there already (§3.5.2.1)', () => {
    const before = user();
    assert.deepEqual(
      patched([{ op: 'add', path: 'emails', value: [{ value: 'HOME@example.com', type: 'home' }] }], {
        ...before,
        emails: [{ value: 'HOME@example.com', type: 'home' }],
      })['emails'],
      [{ value: 'HOME@example.com', type: 'home' }],
    );
    assert.deepEqual(patched([{ op: 'add', path: 'userName', value: 'bjensen' }]), before);
  });

  it('keeps one primary: setting one clears the others (§3.5.2)', () => {
    const after = patched([{ op: 'add', path: 'emails', value: [{ value: 'c@example.com', primary: true }] }]);
    const primaries = (after['emails'] as Document[]).filter((email) => email['primary'] === true);
    assert.deepEqual(primaries, [{ value: 'c@example.com', primary: true }]);
    const moved = patched([{ op: 'replace', path: 'emails[type eq "home"].primary', value: true }]);
    assert.deepEqual(
      (moved['emails'] as Document[]).map((email) => email['primary']),
      [false, true],
    );
    refuses('INVALID_VALUE', {
      op: 'replace',
      path: 'emails',
      value: [
        { value: 'a', primary: true },
        { value: 'b', primary: true },
      ],
    });
  });

  it('removes what a filter selects, and finds nothing to do when it selects nothing (§3.5.2.2)', () => {
    const after = patched([{ op: 'remove', path: 'emails[type eq "WORK"]' }]);
    assert.deepEqual(after['emails'], [{ value: 'home@example.com', type: 'home' }]);
    assert.deepEqual(patched([{ op: 'remove', path: 'emails[type eq "fax"]' }]), user());
    assert.equal('emails' in patched([{ op: 'remove', path: 'emails' }]), false);
    assert.deepEqual(patched([{ op: 'remove', path: 'emails', value: [{ value: 'work@example.com' }] }])['emails'], [
      { value: 'home@example.com', type: 'home' },
    ]);
  });

  it('drops an address whose value was removed (Entra clears emails[type eq "work"].value)', () => {
    const after = patched([{ op: 'Remove', path: 'emails[type eq "work"].value' }]);
    assert.deepEqual(after['emails'], [{ value: 'home@example.com', type: 'home' }]);
  });

  it('replaces a selected element as a whole (§3.5.2.3)', () => {
    const after = patched([
      { op: 'replace', path: 'emails[type eq "work"]', value: { value: 'n@example.com', type: 'work' } },
    ]);
    assert.deepEqual((after['emails'] as JsonValue[])[0], { value: 'n@example.com', type: 'work' });
  });

  it('refuses to remove what is required (§3.5.2.2)', () => {
    refuses('MUTABILITY', { op: 'remove', path: 'userName' });
    refuses('INVALID_VALUE', { op: 'replace', path: 'userName', value: null });
    refuses('INVALID_VALUE', { op: 'replace', path: 'userName', value: '' });
  });

  it('refuses unknown operations, paths, values and structures with the right word', () => {
    refuses('INVALID_SYNTAX', { op: 'upsert', path: 'title', value: 'x' });
    refuses('INVALID_SYNTAX', { op: 'add', path: 'title' });
    refuses('INVALID_SYNTAX', { op: 'add', path: 'title', value: 'x', extra: 1 });
    refuses('INVALID_SYNTAX', { op: 'replace', value: 'x' });
    refuses('INVALID_SYNTAX', { op: 'replace', value: {} });
    refuses('INVALID_SYNTAX', { op: 'remove', path: 'title', value: 'x' });
    refuses('INVALID_SYNTAX');
    refuses('INVALID_PATH', { op: 'replace', path: 'nope', value: 'x' });
    refuses('INVALID_PATH', { op: 'replace', path: '', value: 'x' });
    refuses('INVALID_PATH', { op: 'replace', path: 'emails.value', value: 'x' });
    refuses('INVALID_PATH', { op: 'replace', path: 'urn:example:User:x', value: 'x' });
    refuses('INVALID_PATH', { op: 'replace', path: 'name[givenName eq "x"].familyName', value: 'x' });
    refuses('INVALID_FILTER', { op: 'replace', path: 'emails[type is "work"].value', value: 'x' });
    refuses('INVALID_FILTER', { op: 'replace', path: 'emails[nope eq "work"].value', value: 'x' });
    refuses('INVALID_VALUE', { op: 'replace', path: 'title', value: 7 });
    refuses('INVALID_VALUE', { op: 'replace', path: 'title', value: 'x'.repeat(1_025) });
    refuses('INVALID_VALUE', { op: 'replace', path: 'name', value: { nope: 'x' } });
    assert.throws(
      () =>
        normalisePatch(
          USER,
          request(...Array.from({ length: 1_001 }, () => ({ op: 'remove', path: 'title' }))),
          DIALECTS.auto,
        ),
      (error) => isAppError(error) && error.code === 'TOO_MANY',
    );
  });
});

const HOSTILE = ['__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty', '__defineGetter__'];

describe('PATCH: prototype pollution', () => {
  const untouched = (): string =>
    JSON.stringify([...HOSTILE, 'polluted'].map((name) => [name, typeof ({} as Record<string, unknown>)[name]]));

  it('refuses prototype names in paths, keys, parts, filters and extensions, wherever they stand (property)', () => {
    const before = untouched();
    const hostile = fc.constantFrom(...HOSTILE);
    const place = fc.constantFrom(
      (name: string) => ({ op: 'add', path: name, value: { polluted: 'x' } }),
      (name: string) => ({ op: 'replace', path: `${name}.polluted`, value: 'x' }),
      (name: string) => ({ op: 'add', path: `name.${name}`, value: { polluted: 'x' } }),
      (name: string) => ({ op: 'add', path: `emails[type eq "work"].${name}`, value: { polluted: 'x' } }),
      (name: string) => ({ op: 'add', path: `emails[${name} eq "work"].value`, value: 'x' }),
      (name: string) => ({ op: 'add', path: `${name}[type eq "work"].value`, value: 'x' }),
      (name: string) => ({ op: 'add', path: `${ENTERPRISE}:${name}.polluted`, value: 'x' }),
      (name: string) => ({ op: 'replace', value: JSON.parse(`{"${name}": {"polluted": "x"}}`) as JsonValue }),
      (name: string) => ({ op: 'replace', value: JSON.parse(`{"${name}.polluted": "x"}`) as JsonValue }),
      (name: string) => ({ op: 'replace', value: { name: JSON.parse(`{"${name}": "x"}`) as JsonValue } }),
      (name: string) => ({ op: 'replace', value: { [ENTERPRISE]: JSON.parse(`{"${name}": "x"}`) as JsonValue } }),
      (name: string) => ({
        op: 'add',
        path: 'emails',
        value: [JSON.parse(`{"${name}": {"polluted": "x"}}`) as JsonValue],
      }),
    );
    fc.assert(
      fc.property(hostile, place, fc.constantFrom('add', 'Replace', 'replace', 'remove'), (name, make, op) => {
        const operation = { ...make(name), op };
        assert.throws(() => patched([operation]), isAppError, JSON.stringify(operation));
      }),
      { numRuns: 2_000 },
    );
    assert.equal(untouched(), before);
  });

  it('fails on arbitrary operations only with a client error, and never changes its input (property)', () => {
    const names = fc.constantFrom(
      'active',
      'userName',
      'name',
      'emails',
      'title',
      'members',
      'id',
      ENTERPRISE,
      ...HOSTILE,
    );
    const path = fc.oneof(
      names,
      fc.tuple(names, fc.constantFrom('value', 'type', 'givenName', '__proto__')).map((parts) => parts.join('.')),
      names.map((name) => `${name}[type eq "work"].value`),
      fc.string({ maxLength: 20 }),
    );
    const operation = fc.record(
      {
        op: fc.constantFrom('add', 'Replace', 'remove', 'REMOVE', 'x'),
        path,
        value: fc.jsonValue({ maxDepth: 3 }),
      },
      { requiredKeys: ['op'] },
    );
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 6 }), (operations) => {
        const before = user();
        try {
          const after = patched(operations, before);
          assert.equal(typeof after['userName'], 'string');
          assert.equal(typeof after['active'], 'boolean');
        } catch (error) {
          assert.ok(isAppError(error) && error.kind.http === 400, String(error));
        }
        assert.deepEqual(before, user());
      }),
      { numRuns: 10_000 },
    );
  });
});
