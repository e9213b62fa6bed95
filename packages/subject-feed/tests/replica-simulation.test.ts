import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';

import fc from 'fast-check';

import { SimulatedFeed, TTL_MS, type SimulationStep } from './support/simulated-feed.ts';

const SEED = randomInt(2 ** 31);

const pass = fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 900 }) });
const commit = fc.record({
  kind: fc.constant('commit' as const),
  org: fc.nat({ max: 1 }),
  subject: fc.nat({ max: 2 }),
  active: fc.boolean(),
});
const network: fc.Arbitrary<SimulationStep> = fc.oneof(
  fc.record({ kind: fc.constant('latency' as const), ms: fc.constantFrom(1, 20, 150, 600, 1_500) }),
  fc.record({ kind: fc.constant('cut' as const), on: fc.boolean() }),
  fc.record({ kind: fc.constant('reset' as const) }),
  fc.record({
    kind: fc.constant('delta' as const),
    fault: fc.constantFrom('lose' as const, 'duplicate' as const, 'delay' as const),
  }),
  fc.record({ kind: fc.constant('wall' as const), ms: fc.integer({ min: -600_000, max: 600_000 }) }),
);
const suspend = fc.record({ kind: fc.constant('suspend' as const), ms: fc.integer({ min: 1, max: 5_000 }) });
const restore = fc.record({
  kind: fc.constant('restore' as const),
  org: fc.nat({ max: 1 }),
  back: fc.integer({ min: 1, max: 3 }),
});

const script = (...faults: readonly fc.Arbitrary<SimulationStep>[]): fc.Arbitrary<SimulationStep[]> =>
  fc.array(fc.oneof({ weight: 4, arbitrary: pass }, { weight: 3, arbitrary: commit }, ...faults), {
    minLength: 10,
    maxLength: 60,
  });

const play = (steps: readonly SimulationStep[], boundMs: number): SimulatedFeed => {
  const feed = new SimulatedFeed();
  for (const step of steps) {
    feed.run(step);
    assert.deepEqual(feed.staleAllowances(boundMs), [], JSON.stringify(step));
  }
  return feed;
};

describe(`replica of the subject log under faults (seed ${String(SEED)})`, () => {
  it('never lets anybody pass later than ttl after the commit that ended their access', function bounded() {
    this.timeout(180_000);
    fc.assert(
      fc.property(script(network), (steps) => {
        play(steps, TTL_MS);
      }),
      { seed: SEED, numRuns: 3_000 },
    );
  });

  // While the monotonic clock stands still the lease does not age; up to the tolerance this goes unnoticed.
  it('adds at most the suspension tolerance when the machine is suspended', function suspended() {
    this.timeout(180_000);
    const networkOnly = network.filter(({ kind }) => kind !== 'wall');
    fc.assert(
      fc.property(script(networkOnly, suspend), (steps) => {
        play(steps, TTL_MS + 100);
      }),
      { seed: SEED, numRuns: 1_500 },
    );
  });

  it('knows exactly what is committed once the faults end', function converges() {
    this.timeout(180_000);
    fc.assert(
      fc.property(script(network, suspend, restore), (steps) => {
        const feed = new SimulatedFeed();
        for (const step of steps) feed.run(step);
        feed.heal();
        assert.ok(feed.isCurrent());
      }),
      { seed: SEED, numRuns: 1_500 },
    );
  });

  it('applies every position once and in order, whatever is lost, doubled or late', function ordered() {
    this.timeout(180_000);
    fc.assert(
      fc.property(script(network), (steps) => {
        const feed = play(steps, TTL_MS);
        const positions = new Map<string, bigint>();
        for (const step of feed.applied) {
          if (step.kind === 'state') positions.set(step.orgId, step.state.position);
          if (step.kind === 'forgotten') positions.delete(step.orgId);
          if (step.kind !== 'entry') continue;
          assert.equal(step.position, (positions.get(step.orgId) ?? 0n) + 1n);
          positions.set(step.orgId, step.position);
        }
      }),
      { seed: SEED, numRuns: 1_000 },
    );
  });
});
