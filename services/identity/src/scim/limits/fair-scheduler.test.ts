import assert from 'node:assert/strict';

import fc from 'fast-check';

import { FairScheduler, type Urgency } from './fair-scheduler.ts';

interface Job {
  readonly orgId: string;
  readonly number: number;
  readonly urgency: Urgency;
}

/** The scheduler with its jobs: what runs, what waits, what has been started in which order. */
class World {
  readonly scheduler: FairScheduler<Job>;
  readonly started: Job[] = [];
  readonly running: Job[] = [];
  readonly waiting: Job[] = [];
  #made = 0;

  constructor(settings: ConstructorParameters<typeof FairScheduler>[0]) {
    this.scheduler = new FairScheduler(settings);
  }

  offer(orgId: string, urgency: Urgency = 'normal'): Job | undefined {
    const job = { orgId, number: (this.#made += 1), urgency };
    const started = this.scheduler.offer(orgId, urgency, job);
    if (started === undefined) return undefined;
    this.waiting.push(job);
    this.#begin(started);
    return job;
  }

  finish(index: number): void {
    const [job] = this.running.splice(index % Math.max(1, this.running.length), 1);
    if (job !== undefined) this.#begin(this.scheduler.finish(job.orgId));
  }

  withdraw(index: number): void {
    const [job] = this.waiting.splice(index % Math.max(1, this.waiting.length), 1);
    if (job !== undefined) assert.ok(this.scheduler.withdraw(job.orgId, job));
  }

  count(jobs: readonly Job[], orgId: string): number {
    return jobs.filter((job) => job.orgId === orgId).length;
  }

  #begin(jobs: readonly Job[]): void {
    for (const job of jobs) {
      const index = this.waiting.indexOf(job);
      assert.notEqual(index, -1, 'a job is started once, and only when it waits');
      this.waiting.splice(index, 1);
      this.running.push(job);
      this.started.push(job);
    }
  }
}

const ORGANIZATIONS = ['a', 'b', 'c', 'd'];
const organization = fc.constantFrom(...ORGANIZATIONS);
const urgency = fc.constantFrom<Urgency>('urgent', 'normal');
const step = fc.oneof(
  fc.record({ do: fc.constant('offer' as const), orgId: organization, urgency }),
  fc.record({ do: fc.constant('finish' as const), index: fc.nat() }),
  fc.record({ do: fc.constant('withdraw' as const), index: fc.nat() }),
);

describe('FairScheduler', () => {
  it('keeps its bounds and is work-conserving, whatever happens in whatever order', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.nat({ max: 6 }),
        fc.nat({ max: 8 }),
        fc.array(step, { maxLength: 300 }),
        (slots, reserved, maxQueued, steps) => {
          const world = new World({ slots, reserved, maxQueued });
          const cap = Math.max(1, slots - reserved);
          for (const each of steps) {
            const isFull =
              each.do === 'offer' &&
              world.count(world.waiting, each.orgId) >= maxQueued &&
              (world.running.length >= slots || world.count(world.running, each.orgId) >= cap);
            if (each.do === 'offer') assert.equal(world.offer(each.orgId, each.urgency) === undefined, isFull);
            else if (each.do === 'finish') world.finish(each.index);
            else world.withdraw(each.index);
            assert.ok(world.running.length <= slots);
            assert.equal(world.scheduler.running, world.running.length);
            assert.equal(world.scheduler.waiting, world.waiting.length);
            for (const orgId of ORGANIZATIONS) {
              assert.ok(world.count(world.running, orgId) <= cap);
              assert.ok(world.count(world.waiting, orgId) <= maxQueued);
              const mayStart = world.running.length < slots && world.count(world.running, orgId) < cap;
              assert.ok(!mayStart || world.count(world.waiting, orgId) === 0, 'a slot is free and somebody waits');
            }
          }
          while (world.running.length > 0) world.finish(0);
          assert.equal(world.waiting.length, 0, 'everything is served in the end');
          assert.equal(world.scheduler.lanes, 0, 'nobody is remembered who has nothing here');
        },
      ),
      { numRuns: 500 },
    );
  });

  it('starves nobody: before the first job of a lane, every other starts at most two, however many it has waiting', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 4 }),
        fc.nat({ max: 100 }),
        fc.array(fc.nat(), { minLength: 1, maxLength: 50 }),
        (slots, floods, warmUp, order) => {
          const world = new World({ slots, reserved: 0, maxQueued: 1_000 });
          const others = floods.map((_, index) => `other-${String(index)}`);
          for (const [index, flood] of floods.entries())
            for (let sent = 0; sent < flood; sent += 1) world.offer(others[index] ?? '');
          for (let turn = 0; turn < warmUp && world.waiting.length > 0; turn += 1) world.finish(turn);
          const before = world.started.length;
          const quiet = world.offer('quiet');
          assert.ok(quiet !== undefined);
          for (let turn = 0; !world.started.includes(quiet); turn += 1) {
            world.finish(order[turn % order.length] ?? 0);
            // The neighbours keep on flooding.
            for (const other of others) world.offer(other);
          }
          const overtaking = world.started.slice(before, world.started.indexOf(quiet));
          for (const other of others) assert.ok(world.count(overtaking, other) <= 2, other);
        },
      ),
    );
  });

  it('serves 25 requests a second of one while a neighbour floods with 200 at a time (manual clock)', () => {
    const serviceMs = 40;
    const world = new World({ slots: 4, reserved: 1, maxQueued: 256 });
    const ends = new Map<Job, number>();
    const answered: { readonly job: Job; readonly atMs: number }[] = [];
    const arrived = new Map<Job, number>();
    for (let nowMs = 0; nowMs < 10_000; nowMs += 1) {
      while (world.count(world.waiting, 'flood') + world.count(world.running, 'flood') < 200)
        assert.ok(world.offer('flood'));
      if (nowMs % 40 === 0) {
        const job = world.offer('quiet');
        assert.ok(job !== undefined, 'the quiet one is never refused');
        arrived.set(job, nowMs);
      }
      for (const job of world.running) if (!ends.has(job)) ends.set(job, nowMs + serviceMs);
      for (const job of world.running.filter((each) => ends.get(each) === nowMs)) {
        answered.push({ job, atMs: nowMs });
        world.finish(world.running.indexOf(job));
      }
      for (const job of world.running) if (!ends.has(job)) ends.set(job, nowMs + serviceMs);
    }
    const quiet = answered.filter(({ job }) => job.orgId === 'quiet');
    assert.ok(quiet.length >= 25 * 10 - 3, `${String(quiet.length)} of 250 answered`);
    const waits = quiet.map(({ job, atMs }) => atMs - (arrived.get(job) ?? 0));
    assert.ok(Math.max(...waits) <= 3 * serviceMs, `slowest: ${String(Math.max(...waits))} ms`);
    assert.ok(world.count(world.waiting, 'flood') > 100, 'the flood still waits behind its own');
  });

  it('shares by weight', () => {
    const weights = new Map([['heavy', 3]]);
    const weightOf = (orgId: string): number => weights.get(orgId) ?? 1;
    const world = new World({ slots: 1, reserved: 0, maxQueued: 1_000, weightOf });
    for (let sent = 0; sent < 400; sent += 1) for (const orgId of ['heavy', 'light']) world.offer(orgId);
    for (let turn = 0; turn < 400; turn += 1) world.finish(0);
    const heavy = world.count(world.started, 'heavy');
    assert.ok(Math.abs(heavy - 300) <= 3, String(heavy));
  });

  it('changes go before reads of the same organisation, which still get every fifth turn; each kind keeps its order', () => {
    const world = new World({ slots: 1, reserved: 0, maxQueued: 1_000 });
    world.offer('a');
    for (let sent = 0; sent < 10; sent += 1) world.offer('a', 'normal');
    for (let sent = 0; sent < 20; sent += 1) world.offer('a', 'urgent');
    while (world.running.length > 0) world.finish(0);
    const kinds = world.started.slice(1).map((job) => job.urgency[0]);
    assert.equal(kinds.join(''), 'uuuunuuuunuuuunuuuunuuuunnnnnn');
    for (const kind of ['urgent', 'normal'] as const) {
      const numbers = world.started.filter((job) => job.urgency === kind).map(({ number }) => number);
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      );
    }
  });
});
