import assert from 'node:assert/strict';

import fc from 'fast-check';

import { portionsOf } from './portions.ts';

const MAX = 10;

describe('portions', () => {
  it('keep every item and the order, and never come to more than they may, but for one that is larger (property)', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 15 })), (sizes) => {
        const portions = portionsOf(sizes, (size) => size, MAX);
        assert.deepEqual(portions.flat(), sizes);
        for (const portion of portions) {
          const total = portion.reduce((sum, size) => sum + size, 0);
          assert.ok(portion.length === 1 || total <= MAX, `${String(total)} in ${String(portion.length)}`);
        }
      }),
    );
  });

  it('are no more than needed: two that follow each other do not fit into one (property)', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 15 })), (sizes) => {
        const portions = portionsOf(sizes, (size) => size, MAX);
        for (const [index, portion] of portions.slice(1).entries()) {
          const before = portions[index]?.reduce((sum, size) => sum + size, 0) ?? 0;
          assert.ok(before + (portion[0] ?? 0) > MAX);
        }
      }),
    );
  });
});
