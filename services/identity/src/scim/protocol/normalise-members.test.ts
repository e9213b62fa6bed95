import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';

import { DIALECTS } from '../profiles/index.ts';
import { GROUP } from './group-schema.ts';
import { normalisePatch } from './normalise-patch.ts';
import { PATCH_SCHEMA } from './patch-request.ts';

const request = (...operations: unknown[]) => ({ schemas: [PATCH_SCHEMA], Operations: operations });

describe('PATCH of group members: dialects', () => {
  const steps = (...operations: unknown[]) =>
    normalisePatch(GROUP, request(...operations), DIALECTS.auto).map((step) =>
      step.kind === 'members' ? step.step : step,
    );

  it('Okta: remove by filter and add with display in one request', () => {
    assert.deepEqual(
      steps(
        { op: 'remove', path: 'members[value eq "1"]' },
        { op: 'add', path: 'members', value: [{ value: '2', display: 'two@example.com' }] },
      ),
      [
        { kind: 'remove', ids: ['1'] },
        { kind: 'add', ids: ['2'] },
      ],
    );
  });

  it('Okta: full push', () => {
    assert.deepEqual(steps({ op: 'replace', path: 'members', value: [{ value: '1' }, { value: '2' }] }), [
      { kind: 'replace', ids: ['1', '2'] },
    ]);
  });

  it('Entra: Add and Remove with $ref null mean that member, never all', () => {
    assert.deepEqual(
      steps(
        { op: 'Add', path: 'members', value: [{ $ref: null, value: '1' }] },
        { op: 'Remove', path: 'members', value: [{ $ref: null, value: '2' }] },
      ),
      [
        { kind: 'add', ids: ['1'] },
        { kind: 'remove', ids: ['2'] },
      ],
    );
  });

  it('removes everybody only when nobody is named at all', () => {
    assert.deepEqual(steps({ op: 'remove', path: 'members' }), [{ kind: 'clear' }]);
    for (const value of [[], null, [{}], [{ value: null }], [{ value: '' }], '', 'x'])
      assert.throws(
        () => steps({ op: 'remove', path: 'members', value }),
        (error) => isAppError(error) && error.code === 'INVALID_VALUE',
        JSON.stringify(value),
      );
  });

  it('takes ids with colons, brackets and quotes for what they are', () => {
    for (const id of ['t:1', 'a]b', 'a.b', 'a"b'])
      assert.deepEqual(steps({ op: 'remove', path: `members[value eq ${JSON.stringify(id)}]` }), [
        { kind: 'remove', ids: [id] },
      ]);
  });

  it('removes whom a filter selects, where that is known without the list of members', () => {
    const cases: [string, unknown][] = [
      ['value eq "1" or value eq "2"', { kind: 'remove', ids: ['1', '2'] }],
      ['value eq "1" and value eq "2"', { kind: 'remove', ids: [] }],
      ['type eq "user" and (value eq "1" or value eq "2")', { kind: 'remove', ids: ['1', '2'] }],
      ['type eq "Group"', { kind: 'remove', ids: [] }],
      ['type eq "User" or value eq "1"', { kind: 'clear' }],
    ];
    for (const [filter, step] of cases) assert.deepEqual(steps({ op: 'remove', path: `members[${filter}]` }), [step]);
  });

  it('refuses groups inside groups, parts of members and other filters', () => {
    const cases: [string, unknown][] = [
      ['INVALID_VALUE', { op: 'add', path: 'members', value: [{ value: '1', type: 'Group' }] }],
      ['INVALID_PATH', { op: 'replace', path: 'members[value eq "1"].type', value: 'User' }],
      ['INVALID_PATH', { op: 'add', path: 'members[value eq "1"]', value: {} }],
      ['MUTABILITY', { op: 'replace', path: 'members[value eq "1"].display', value: 'x' }],
      ['INVALID_FILTER', { op: 'remove', path: 'members[display eq "1"]' }],
      ['INVALID_FILTER', { op: 'remove', path: 'members[not (value eq "1")]' }],
      ['INVALID_FILTER', { op: 'remove', path: 'members[value eq "1" or display eq "x"]' }],
      ['INVALID_FILTER', { op: 'remove', path: 'members[value ne "1"]' }],
      ['INVALID_VALUE', { op: 'add', path: 'members', value: [{ value: '1', role: 'admin' }] }],
    ];
    for (const [code, operation] of cases)
      assert.throws(
        () => steps(operation),
        (error) => isAppError(error) && error.code === code,
        `${code} for ${JSON.stringify(operation)}`,
      );
  });
});
