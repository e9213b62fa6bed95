import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';
import fc from 'fast-check';

import { ENTERPRISE_USER_SCHEMA as ENTERPRISE } from '../protocol/user-schema.ts';
import { BULK_REQUEST_SCHEMA, readBulkRequest, type BulkCall } from './bulk-request.ts';
import { MAX_BULK_OPERATIONS } from './limits.ts';
import { planBulk } from './plan.ts';
import { referencesOf, resolveReferences } from './references.ts';

const bulk = (operations: readonly unknown[], more: object = {}) => ({
  schemas: [BULK_REQUEST_SCHEMA],
  ...more,
  Operations: operations,
});

const userOp = (bulkId: string, manager?: string) => ({
  method: 'POST',
  path: '/Users',
  bulkId,
  data: { userName: bulkId, ...(manager === undefined ? {} : { [ENTERPRISE]: { manager: { value: manager } } }) },
});

const groupOp = (bulkId: string, ...members: string[]) => ({
  method: 'POST',
  path: '/Groups',
  bulkId,
  data: { displayName: bulkId, members: members.map((value) => ({ value })) },
});

const refuses = (code: string, body: unknown): void => {
  assert.throws(
    () => readBulkRequest(body),
    (error) => isAppError(error) && error.code === code,
    `${code} for ${JSON.stringify(body).slice(0, 200)}`,
  );
};

describe('Bulk request (RFC 7644 §3.7)', () => {
  it('refuses an envelope that is not one, wholly', () => {
    for (const body of [undefined, null, [], 'x', {}, { Operations: [userOp('a')] }, bulk([]), bulk(['x'])])
      refuses('INVALID_SYNTAX', body ?? null);
    refuses('INVALID_SYNTAX', bulk([userOp('a')], { extra: 1 }));
    refuses('INVALID_SYNTAX', bulk([{ ...userOp('a'), extra: 1 }]));
    for (const failOnErrors of [0, -1, 1.5, '1', true])
      refuses('INVALID_SYNTAX', bulk([userOp('a')], { failOnErrors }));
    refuses('INVALID_SYNTAX', bulk([userOp('a'), userOp('a')]));
    refuses('INVALID_SYNTAX', bulk([userOp('')]));
    refuses('PAYLOAD_TOO_LARGE', bulk(Array.from({ length: MAX_BULK_OPERATIONS + 1 }, (_, n) => userOp(String(n)))));
  });

  it('answers what is wrong with one operation to that operation: no other endpoint can be reached', () => {
    const wrong = [
      { method: 'POST', path: '/Bulk', bulkId: 'x', data: {} },
      { method: 'POST', path: '/Me', bulkId: 'x', data: {} },
      { method: 'PATCH', path: '/Me', data: {} },
      { method: 'POST', path: '/Users/.search', bulkId: 'x', data: {} },
      { method: 'DELETE', path: '/Users/../../api/identity/v1/connections/1' },
      { method: 'DELETE', path: '/Users/a?x=1' },
      { method: 'DELETE', path: '/Users' },
      { method: 'DELETE', path: '/scim/v2/Users/a' },
      { method: 'DELETE', path: 'https://example.com/Users/a' },
      { method: 'GET', path: '/Users/a' },
      { method: 'POST', path: '/Users/a', bulkId: 'x', data: {} },
      { method: 'POST', path: '/Users', data: {} },
      { method: 'POST', path: '/Users', bulkId: 'x' },
      { method: 'POST', path: '/Users', bulkId: 'x', version: 'W/"1"', data: {} },
      { method: 'PUT', path: '/Users/a', data: [] },
      { method: 'PUT', path: '/Users/a', version: 1, data: {} },
      { method: 'DELETE', path: '/Users/a', data: {} },
      { path: '/Users/a' },
      { method: 'DELETE', path: 7 },
    ];
    for (const operation of wrong) {
      const [read] = readBulkRequest(bulk([operation])).operations;
      assert.ok(isAppError(read?.call) && read.call.code === 'INVALID_SYNTAX', JSON.stringify(operation));
    }
  });

  it('reads keys and methods in any case', () => {
    const { operations, failOnErrors } = readBulkRequest({
      SCHEMAS: [BULK_REQUEST_SCHEMA.toUpperCase()],
      failonerrors: 2,
      operations: [{ METHOD: 'patch', Path: '/Groups/g', VERSION: 'W/"1"', DATA: { Operations: [] } }],
    });
    assert.equal(failOnErrors, 2);
    assert.deepEqual(operations[0]?.call, {
      method: 'PATCH',
      endpoint: '/Groups',
      id: 'g',
      ifMatch: 'W/"1"',
      data: { Operations: [] },
    });
  });
});

const call = (operation: unknown): BulkCall => {
  const read = readBulkRequest(bulk([operation])).operations[0]?.call;
  assert.ok(read !== undefined && !isAppError(read));
  return read;
};

describe('bulkId references (RFC 7644 §3.7.2)', () => {
  it('finds them in paths, members, managers and filters, and nowhere else', () => {
    const cases: [unknown, string[]][] = [
      [{ method: 'DELETE', path: '/Users/bulkId:a' }, ['a']],
      [groupOp('g', 'bulkId:a', 'b', 'bulkId:c'), ['a', 'c']],
      [userOp('u', 'bulkId:a'), ['a']],
      [{ method: 'POST', path: '/Users', bulkId: 'u', data: { [ENTERPRISE]: { manager: 'bulkId:a' } } }, ['a']],
      [
        {
          method: 'POST',
          path: '/Users',
          bulkId: 'u',
          data: { displayName: 'bulkId:a', emails: [{ value: 'bulkId:a' }] },
        },
        [],
      ],
      [
        {
          method: 'PATCH',
          path: '/Groups/bulkId:g',
          data: {
            Operations: [
              { op: 'add', path: 'members', value: [{ value: 'bulkId:a', display: 'bulkId:x' }] },
              { op: 'Remove', path: 'members[value eq "bulkId:b"]' },
              { op: 'add', value: { members: [{ value: 'bulkId:c' }] } },
              { op: 'replace', path: 'displayName', value: 'bulkId:y' },
            ],
          },
        },
        ['g', 'a', 'b', 'c'],
      ],
      [
        {
          method: 'PATCH',
          path: '/Users/1',
          data: {
            Operations: [
              { op: 'add', path: `${ENTERPRISE}:manager`, value: 'bulkId:a' },
              { op: 'add', path: `${ENTERPRISE}:manager.value`, value: 'bulkId:b' },
              { op: 'add', value: { [`${ENTERPRISE}:manager`]: { value: 'bulkId:c' } } },
              { op: 'add', path: 'title', value: 'bulkId:z' },
            ],
          },
        },
        ['a', 'b', 'c'],
      ],
    ];
    for (const [operation, ids] of cases) assert.deepEqual([...referencesOf(call(operation))], ids);
  });

  it('leaves the request as it is, and no reference in the result', () => {
    const before = call(groupOp('g', 'bulkId:a'));
    const kept = structuredClone(before);
    const after = resolveReferences(before, (id) => `id-${id}`);
    assert.deepEqual(before, kept);
    assert.deepEqual(after.data, { displayName: 'g', members: [{ value: 'id-a' }] });
    assert.equal(referencesOf(after).size, 0);
  });
});

const planOf = (...operations: unknown[]) => planBulk(readBulkRequest(bulk(operations)).operations);

describe('order of Bulk operations (RFC 7644 §3.7.1)', () => {
  it('keeps the order of the request when nothing refers forward', () => {
    assert.deepEqual(planOf(userOp('a'), groupOp('g', 'bulkId:a'), userOp('b')).order, [0, 1, 2]);
  });

  it('creates what is referred to first', () => {
    assert.deepEqual(planOf(groupOp('g', 'bulkId:a', 'bulkId:b'), userOp('b'), userOp('a')).order, [2, 1, 0]);
  });

  it('leaves the manager of users who manage each other, or themselves, for later', () => {
    const { order, managerLater, unresolvable } = planOf(userOp('a', 'bulkId:b'), userOp('b', 'bulkId:a'));
    assert.deepEqual(order, [1, 0]);
    assert.deepEqual([...managerLater], [[1, 'a']]);
    assert.equal(unresolvable.size, 0);
    assert.deepEqual([...planOf(userOp('a', 'bulkId:a')).managerLater], [[0, 'a']]);
  });

  it('says which circles cannot be resolved', () => {
    const { unresolvable } = planOf(groupOp('g', 'bulkId:h'), groupOp('h', 'bulkId:g'));
    assert.deepEqual([...unresolvable], [1]);
  });

  it('tries every operation once, what is created before what needs it, and never swaps changes (property)', () => {
    const ids = ['a', 'b', 'c', 'd', 'e'];
    const reference = fc.option(fc.constantFrom(...ids), { nil: undefined });
    const operations = fc.tuple(
      fc
        .shuffledSubarray(ids)
        .chain((picked) =>
          fc.tuple(
            ...picked.map((id) => reference.map((to) => userOp(id, to === undefined ? undefined : `bulkId:${to}`))),
          ),
        ),
      fc.array(
        fc.constantFrom(...ids).map((id) => ({ method: 'DELETE', path: `/Users/bulkId:${id}` })),
        { maxLength: 5 },
      ),
    );
    fc.assert(
      fc.property(
        operations.chain(([creations, changes]) =>
          fc.shuffledSubarray([...creations, ...changes], { minLength: creations.length + changes.length }),
        ),
        (list) => {
          fc.pre(list.length > 0);
          const { order, managerLater } = planOf(...list);
          assert.deepEqual(
            order.toSorted((a, b) => a - b),
            [...list.keys()],
          );
          const isCreation = (index: number): boolean => list[index]?.method === 'POST';
          const changes = order.filter((index) => !isCreation(index));
          assert.deepEqual(
            changes,
            changes.toSorted((a, b) => a - b),
            'changes stay in the order they were sent',
          );
          for (const [at, index] of order.entries())
            for (const id of referencesOf(call(list[index]))) {
              const creator = list.findIndex((item) => 'bulkId' in item && item.bulkId === id);
              if (creator !== -1 && managerLater.get(index) !== id)
                assert.ok(order.indexOf(creator) < at, `${id} exists when it is needed`);
            }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
