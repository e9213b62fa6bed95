import assert from 'node:assert/strict';

import type { Grant } from '../grants/index.ts';
import { itemsOf } from './start-review.ts';

describe('the items of a review', () => {
  const grant = (grantId: string, subjectId: string): Grant =>
    ({ grantId, subjectType: 'group', subjectId, condition: null, createdBy: 'somebody' }) as Grant;

  it('name who holds a grant through a group, and are bounded by them too', () => {
    const everybody = Array.from({ length: 400_000 }, (_, at) => `user ${String(at)}`);
    let asked = 0;
    const population = { members: () => ((asked += 1), everybody) };
    const [one, other, third] = ['1', '2', '3'].map((id) => grant(id, 'all')) as [Grant, Grant, Grant];
    const items = itemsOf('review', [one, other], population);
    assert.deepEqual([items.length, items.every(({ memberIds }) => memberIds === everybody), asked], [2, true, 1]);
    assert.throws(() => itemsOf('review', [one, other, third], population), { code: 'TOO_MANY' });
  });
});
