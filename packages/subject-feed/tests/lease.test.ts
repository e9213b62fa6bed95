import assert from 'node:assert/strict';

import fc from 'fast-check';

import { Lease } from '../src/lease.ts';

const TTL = 1_000;

const clockOf = (): { monotonicMs: number; wallMs: number } => ({ monotonicMs: 5_000, wallMs: 1_700_000_000_000 });

const leaseOn = (time: { monotonicMs: number; wallMs: number }): Lease =>
  new Lease({ now: () => new Date(time.wallMs), monotonicMs: () => time.monotonicMs }, TTL);

const pass = (time: { monotonicMs: number; wallMs: number }, ms: number): void => {
  time.monotonicMs += ms;
  time.wallMs += ms;
};

describe('lease', () => {
  it('is not held before a renewal was granted', () => {
    assert.equal(leaseOn(clockOf()).remainingMs(), 0);
  });

  it('counts from the moment the renewal was sent, not from when it was granted', () => {
    const time = clockOf();
    const lease = leaseOn(time);
    const sent = lease.reading();
    pass(time, 400);
    assert.equal(lease.adopt(sent, TTL), true);
    assert.equal(lease.remainingMs(), TTL - 400);
    pass(time, TTL - 400);
    assert.equal(lease.remainingMs(), 0);
  });

  it('takes the smaller of what is offered and its own bound', () => {
    const time = clockOf();
    const lease = leaseOn(time);
    lease.adopt(lease.reading(), 60_000);
    assert.equal(lease.remainingMs(), TTL);
    const other = leaseOn(time);
    other.adopt(other.reading(), 250);
    assert.equal(other.remainingMs(), 250);
  });

  it('is not shortened by the late grant of an older renewal', () => {
    const time = clockOf();
    const lease = leaseOn(time);
    const first = lease.reading();
    pass(time, 200);
    const second = lease.reading();
    lease.adopt(second, TTL);
    lease.adopt(first, TTL);
    assert.equal(lease.remainingMs(), TTL);
  });

  it('ends when wall time outruns monotonic time (suspended machine), and voids renewals on their way', () => {
    const time = clockOf();
    const lease = leaseOn(time);
    lease.adopt(lease.reading(), TTL);
    const onItsWay = lease.reading();
    time.wallMs += 101;
    assert.equal(lease.remainingMs(), 0);
    assert.equal(lease.adopt(onItsWay, TTL), false);
    assert.equal(lease.remainingMs(), 0);
    assert.equal(lease.adopt(lease.reading(), TTL), true);
    assert.equal(lease.remainingMs(), TTL);
  });

  it('ends when many small suspensions add up', () => {
    const time = clockOf();
    const lease = leaseOn(time);
    lease.adopt(lease.reading(), TTL);
    for (let i = 0; i < 3; i += 1) {
      time.wallMs += 40;
      lease.remainingMs();
    }
    assert.equal(lease.remainingMs(), 0);
  });

  it('is never lengthened by setting the wall clock back', () => {
    const time = clockOf();
    const lease = leaseOn(time);
    lease.adopt(lease.reading(), TTL);
    time.wallMs -= 3_600_000;
    assert.equal(lease.remainingMs(), TTL);
    pass(time, TTL);
    assert.equal(lease.remainingMs(), 0);
  });

  it('ends with a suspension after the wall clock was set back, whichever way it is looked at', () => {
    const ways: readonly ((lease: Lease, time: ReturnType<typeof clockOf>) => number)[] = [
      (lease) => lease.remainingMs(),
      (lease, { monotonicMs, wallMs }) => lease.remainingMsAt(monotonicMs, wallMs),
    ];
    for (const remainingMs of ways) {
      const time = clockOf();
      const lease = leaseOn(time);
      lease.adopt(lease.reading(), TTL);
      time.wallMs -= 3_600_000;
      assert.equal(remainingMs(lease, time), TTL);
      time.wallMs += 1_800_000;
      assert.equal(remainingMs(lease, time), 0);
    }
  });

  it('after a drop needs a renewal that was sent after the drop', () => {
    const time = clockOf();
    const lease = leaseOn(time);
    const before = lease.reading();
    lease.drop();
    assert.equal(lease.adopt(before, TTL), false);
    assert.equal(lease.remainingMs(), 0);
  });

  it('is never held longer than ttl after the sending of some granted renewal, whatever the clocks do', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 700 }) }),
      fc.record({ kind: fc.constant('wall' as const), ms: fc.integer({ min: -5_000, max: 5_000 }) }),
      fc.record({ kind: fc.constant('send' as const), ms: fc.constant(0) }),
      fc.record({ kind: fc.constant('grant' as const), ms: fc.nat({ max: 5 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const time = clockOf();
        const lease = leaseOn(time);
        const sent: { reading: ReturnType<Lease['reading']>; at: number }[] = [];
        let grantedUpTo = Number.NEGATIVE_INFINITY;
        for (const { kind, ms } of steps) {
          if (kind === 'pass') pass(time, ms);
          else if (kind === 'wall') time.wallMs += ms;
          else if (kind === 'send') sent.push({ reading: lease.reading(), at: time.monotonicMs });
          else {
            const granted = sent[sent.length - 1 - ms];
            if (granted !== undefined && lease.adopt(granted.reading, TTL))
              grantedUpTo = Math.max(grantedUpTo, granted.at + TTL);
          }
          const leftMs = lease.remainingMsAt(time.monotonicMs, time.wallMs);
          assert.ok(leftMs <= Math.max(0, grantedUpTo - time.monotonicMs));
          assert.equal(lease.remainingMs(), leftMs);
        }
      }),
    );
  });
});
