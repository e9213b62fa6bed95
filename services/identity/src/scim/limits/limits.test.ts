import assert from 'node:assert/strict';

import { urgencyOf } from './limits.ts';

describe('urgencyOf', () => {
  it('changes of what exists are urgent', () => {
    assert.deepEqual(['PATCH', 'PUT', 'DELETE', 'GET', 'POST'].map(urgencyOf), [
      'urgent',
      'urgent',
      'urgent',
      'normal',
      'normal',
    ]);
  });
});
