import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';

import { isAppError } from '@sallyport/errors';

import { FairGate } from './fair-gate.ts';

const never = new AbortController().signal;

describe('FairGate', () => {
  it('holds a slot until the work has settled, also when it fails', async () => {
    const gate = new FairGate({ slots: 1, reserved: 0, maxQueued: 5 });
    const order: string[] = [];
    const { promise, reject } = Promise.withResolvers<undefined>();
    const first = gate.run({ orgId: 'a', urgency: 'normal', signal: never }, () => promise);
    const second = gate.run({ orgId: 'a', urgency: 'normal', signal: never }, async () => {
      await Promise.resolve();
      order.push('second');
    });
    await setImmediate();
    assert.deepEqual([gate.running, gate.waiting, order.length], [1, 1, 0]);
    reject(new TypeError('failed'));
    await assert.rejects(first, TypeError);
    await second;
    assert.deepEqual([gate.running, gate.waiting, order.length], [0, 0, 1]);
  });

  it('refuses with 429 and Retry-After when too many wait, and drops who left before its turn', async () => {
    const gate = new FairGate({ slots: 1, reserved: 0, maxQueued: 1 });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const running = gate.run({ orgId: 'a', urgency: 'normal', signal: never }, () => promise);
    const leaving = new AbortController();
    const began: string[] = [];
    const waiting = gate.run({ orgId: 'a', urgency: 'urgent', signal: leaving.signal }, () => {
      began.push('left');
      return Promise.resolve();
    });
    const isLimited = (error: unknown): boolean =>
      isAppError(error) && error.code === 'RATE_LIMITED' && (error.retryAfterSeconds ?? 0) >= 1;
    assert.throws(() => {
      gate.requireRoom('a');
    }, isLimited);
    await assert.rejects(
      gate.run({ orgId: 'a', urgency: 'urgent', signal: never }, () => Promise.resolve()),
      isLimited,
    );
    gate.requireRoom('b');
    leaving.abort(new RangeError('gone'));
    await assert.rejects(waiting, RangeError);
    gate.requireRoom('a');
    resolve(undefined);
    await running;
    assert.deepEqual(began, []);
    await assert.rejects(
      gate.run({ orgId: 'a', urgency: 'normal', signal: leaving.signal }, () => Promise.resolve()),
      RangeError,
    );
    assert.deepEqual([gate.running, gate.waiting], [0, 0]);
  });
});
