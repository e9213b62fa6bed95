import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';

import { ManualTime } from '../../tests/support/manual-time.ts';
import { createAdmission, MAX_OPENINGS_PER_SECOND } from './admission.ts';

describe('admission of replicas', () => {
  it('admits so many a second, refuses the rest with a time to come back, and admits again in the next', () => {
    const time = new ManualTime();
    const admit = createAdmission(time.monotonicMs);
    for (let round = 0; round < 3; round += 1) {
      for (let number = 0; number < MAX_OPENINGS_PER_SECOND; number += 1) admit();
      assert.throws(
        admit,
        (error) => isAppError(error) && error.code === 'RATE_LIMITED' && error.retryAfterSeconds === 1,
      );
      time.advance(1_000);
    }
  });
});
