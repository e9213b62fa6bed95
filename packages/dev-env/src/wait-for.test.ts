import { strict as assert } from 'node:assert';
import { DevEnvironmentError } from './errors.ts';
import { waitFor } from './wait-for.ts';

describe('waitFor', () => {
  it('returns the first value that is neither false nor absent', async () => {
    const answers = [false, null, undefined, 0];
    assert.equal(await waitFor(() => answers.shift(), { intervalMs: 1 }), 0);
  });

  it('takes an error for "not yet" and reports the last one when the time is over', async () => {
    let looks = 0;
    const failing = waitFor(
      () => {
        looks += 1;
        throw new RangeError(`look ${looks}`);
      },
      { timeoutMs: 10, intervalMs: 1, message: 'the moon' },
    );
    await assert.rejects(failing, (error) => {
      assert.ok(error instanceof DevEnvironmentError && error.code === 'TIMED_OUT');
      assert.match(error.message, /10 ms in vain for the moon/);
      assert.ok(error.cause instanceof RangeError);
      return true;
    });
    assert.ok(looks > 1);
  });
});
