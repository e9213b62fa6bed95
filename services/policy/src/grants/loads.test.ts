import assert from 'node:assert/strict';

import { systemClock } from '@sallyport/storage';
import { createMetrics, silentLogger } from '@sallyport/telemetry';
import { longestTurnMs } from '@sallyport/testing';
import fc from 'fast-check';

import { TTL, organization, setup, until } from '../../tests/support/grant-source.ts';
import { BUILT_IN_ROLES, indexDigest } from '../model/index.ts';
import { compileRaw } from './read-rows.ts';
import { Residents } from './residents.ts';

type Setup = ReturnType<typeof setup>;

/** Holds every load until it is let go. */
const held = ({ source }: Setup) => {
  const gates: PromiseWithResolvers<void>[] = [];
  source.onLoad = async () => {
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    await gate.promise;
  };
  return {
    gates,
    letGo: () => {
      source.onLoad = () => undefined;
      for (const gate of gates.splice(0)) gate.resolve();
    },
  };
};

/** An organisation somebody waits for, with its rows read and on their way. */
const loading = async () => {
  const world = setup();
  const { source, knowledge } = world;
  source.put(organization('a', 1n, 'viewer'));
  await knowledge.refresh();
  const { letGo } = held(world);
  return { ...world, letGo, ensured: knowledge.ensure('a') };
};

describe('loads of whole organisations', () => {
  it('hold up nobody else: leases are renewed and changes followed while one takes its time', async () => {
    const world = setup();
    const { time, source, knowledge, readAll } = world;
    source.put(organization('b', 1n, 'viewer'));
    await readAll();
    source.put(organization('a', 1n, 'viewer'));
    await knowledge.refresh();
    const { letGo } = held(world);
    const ensured = knowledge.ensure('a');
    time.ms += 3 * TTL;
    source.put(organization('b', 2n, 'developer'));
    await knowledge.settled();
    assert.deepEqual([knowledge.forMs('a'), knowledge.forMs('b')], [0, TTL]);
    assert.equal(knowledge.organization('b')?.revision, 2n);
    letGo();
    await ensured;
    assert.deepEqual([knowledge.forMs('a'), knowledge.organization('a')?.revision], [TTL, 1n]);
  });

  it('are caught up with by what changed meanwhile', async () => {
    const { source, knowledge, letGo, ensured } = await loading();
    source.put(organization('a', 2n, 'developer'));
    await knowledge.refresh();
    letGo();
    await ensured;
    assert.equal(knowledge.organization('a')?.revision, 2n);
    assert.deepEqual([source.loads, source.changed], [[['a']], [['a']]]);
  });

  it('are made again when what changed meanwhile cannot be caught up with', async () => {
    for (const next of [organization('a', 2n, 'no-such-role'), organization('a', 2_000n, 'developer')]) {
      const { source, knowledge, letGo, ensured } = await loading();
      source.put(next);
      letGo();
      await ensured;
      assert.equal(String(knowledge.organization('a')?.revision), next.revision);
      assert.equal(source.loads.length, 2);
    }
  });

  it('are asked for by an index that cannot be patched, of which nothing is decided meanwhile', async () => {
    const world = setup();
    const { source, knowledge, readAll } = world;
    source.put(organization('a', 1n, 'viewer'));
    source.put(organization('b', 1n, 'viewer'));
    await readAll();
    const { letGo } = held(world);
    source.put(organization('a', 2_000n, 'developer'));
    await knowledge.settled();
    assert.deepEqual([knowledge.forMs('a'), knowledge.organization('a'), knowledge.forMs('b')], [0, undefined, TTL]);
    const ensured = knowledge.ensure('a');
    letGo();
    await ensured;
    assert.deepEqual([knowledge.forMs('a'), knowledge.organization('a')?.revision], [TTL, 2_000n]);
    assert.equal(source.loads.length, 3);
  });

  it('are asked for by changes that nothing can be made of, and nobody else notices', async () => {
    const { source, knowledge, readAll } = setup();
    source.put(organization('a', 1n, 'viewer'));
    source.put(organization('b', 1n, 'viewer'));
    await readAll();
    const changes = source.changes.bind(source);
    source.changes = async (known) => (await changes(known)).map((each) => ({ ...each, revision: 'none' }));
    source.put(organization('a', 2n, 'developer'));
    await knowledge.settled();
    assert.deepEqual([knowledge.forMs('a'), knowledge.forMs('b')], [0, TTL]);
    await knowledge.ensure('a');
    assert.deepEqual([knowledge.forMs('a'), knowledge.organization('a')?.revision], [TTL, 2n]);
  });

  it('leave nobody waiting when they fail, and are made again', async () => {
    const { source, knowledge, readAll } = setup();
    source.put(organization('a', 1n, 'viewer'));
    source.put(organization('b', 1n, 'viewer'));
    await knowledge.refresh();
    source.onLoad = () => Promise.reject(new Error('gone'));
    await knowledge.ensure('a');
    assert.equal(knowledge.forMs('a'), 0);
    source.onLoad = () => undefined;
    await readAll();
    assert.equal(knowledge.forMs('a'), TTL);
    source.onLoad = () => Promise.reject(new Error('gone'));
    source.put(organization('a', 2_000n, 'viewer'));
    await knowledge.refresh();
    await knowledge.ensure('a');
    assert.deepEqual([knowledge.forMs('a'), knowledge.forMs('b')], [0, TTL]);
    source.onLoad = () => undefined;
    // Nobody asks for it, and it is back.
    await knowledge.refresh();
    await until(() => knowledge.forMs('a') > 0);
  });

  it('are given up in time when they hang', async () => {
    const world = setup({ maxLoadMs: 1 });
    const { source, knowledge } = world;
    source.put(organization('a', 1n, 'viewer'));
    await knowledge.refresh();
    const { letGo } = held(world);
    await knowledge.ensure('a');
    assert.equal(knowledge.forMs('a'), 0);
    letGo();
    await knowledge.ensure('a');
    assert.equal(knowledge.forMs('a'), TTL);
  });

  it('keep nothing that was built when it cannot be taken along', async () => {
    const { source, knowledge, letGo, ensured } = await loading();
    source.failure = new Error('gone');
    letGo();
    await ensured;
    source.failure = null;
    await knowledge.refresh();
    assert.deepEqual([knowledge.forMs('a'), knowledge.organization('a')], [0, undefined]);
    await knowledge.ensure('a');
    assert.equal(knowledge.forMs('a'), TTL);
  });

  it('bring back no organisation that was removed meanwhile', async () => {
    const { source, knowledge, letGo, ensured } = await loading();
    source.organizations.delete('a');
    letGo();
    await ensured;
    assert.deepEqual([knowledge.organization('a'), knowledge.snapshot.organizations.size], [undefined, 0]);
  });

  it('are few at a time, and each comes to its turn', async () => {
    const world = setup();
    const { source, knowledge } = world;
    const orgIds = Array.from({ length: 10 }, (_, at) => `org-${String(at)}`);
    for (const orgId of orgIds) source.put(organization(orgId, 1n, 'viewer'));
    await knowledge.refresh();
    const { gates, letGo } = held(world);
    const ensured = orgIds.map((orgId) => knowledge.ensure(orgId));
    await knowledge.refresh();
    assert.equal(gates.length, 3);
    letGo();
    await Promise.all(ensured);
    assert.ok(orgIds.every((orgId) => knowledge.forMs(orgId) === TTL));
    // Three at once, then those who have waited for them together.
    assert.deepEqual(
      source.loads.map((each) => each.length),
      [1, 1, 1, 7],
    );
  });

  it('that fail together are made one by one, and fail for whom they fail', async () => {
    const { source, knowledge } = setup();
    const orgIds = Array.from({ length: 10 }, (_, at) => `org-${String(at)}`);
    for (const orgId of orgIds) source.put(organization(orgId, 1n, 'viewer'));
    await knowledge.refresh();
    const load = source.load.bind(source);
    source.load = async (some) => {
      if (some.includes('org-7')) throw new Error('not this one');
      return await load(some);
    };
    await Promise.all(orgIds.map((orgId) => knowledge.ensure(orgId)));
    assert.deepEqual(
      orgIds.filter((orgId) => knowledge.forMs(orgId) === 0),
      ['org-7'],
    );
  });

  it('leave others their turns, however many grants there are', async () => {
    const [template] = organization('a', 1n, 'viewer').grants;
    const grants = Array.from({ length: 150_000 }, (_, at) => ({
      ...template,
      grantId: String(at).padStart(6, '0'),
      subjectId: `subject-${String(at)}`,
    }));
    const raw = { ...organization('a', 1n, 'viewer'), grants };
    const options = { clock: systemClock, roles: BUILT_IN_ROLES, logger: silentLogger(), maxBytes: 1 };
    const residents = new Residents({ ...options, metrics: createMetrics('policy', { processMetrics: false }) });
    const longestMs = await longestTurnMs(async () => {
      const [before, built] = [await residents.build(raw), await residents.build(raw)];
      assert.ok(before.index !== null && built.index !== null);
      residents.swap({ patched: [], built: [built], outdated: [] }, new Set(['a']));
      await residents.compare({ before: before.index, index: built.index });
    }, 50);
    assert.ok(longestMs < 50, String(longestMs));
  });

  const ORGANIZATIONS = ['a', 'b', 'c'];
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('commit' as const), by: fc.constantFrom(1n, 1n, 1n, 1_000n) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('ensure' as const, 'fail' as const, 'remove' as const) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('let go' as const, 'refresh' as const) }) },
  );
  const steps = fc.array(
    fc.tuple(
      fc.constantFrom(...ORGANIZATIONS),
      step,
      fc.constantFrom('viewer', 'developer', 'auditor', 'no-such-role'),
      fc.constantFrom('allow', 'allow', 'deny'),
    ),
    { maxLength: 60 },
  );

  it('whatever comes when: what decides is all that was committed before it was settled', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.constantFrom(undefined, 8_000), async (each, maxBytes) => {
        const world = setup(maxBytes === undefined ? {} : { maxBytes });
        const { source, knowledge } = world;
        const { gates, letGo } = held(world);
        let revision = 1n;
        const commit = (orgId: string, role = 'viewer', effect = 'allow', by = 1n): void => {
          revision += by;
          source.put(organization(orgId, revision, role, effect));
        };
        const assertTrue = (orgId: string): void => {
          const index = knowledge.organization(orgId);
          const row = source.organizations.get(orgId);
          if (row === undefined) {
            assert.equal(index, undefined);
            return;
          }
          if (knowledge.forMs(orgId) === 0) return;
          const truth = compileRaw(row, BUILT_IN_ROLES);
          assert.ok(index !== undefined && truth.ok);
          assert.equal(indexDigest(index), indexDigest(truth.index));
        };
        for (const orgId of ORGANIZATIONS) commit(orgId);
        const waiting: Promise<void>[] = [];
        for (const [orgId, what, role, effect] of each) {
          if (what.do === 'commit') commit(orgId, role, effect, what.by);
          else if (what.do === 'ensure') waiting.push(knowledge.ensure(orgId));
          else if (what.do === 'fail') gates.shift()?.reject(new Error('gone'));
          else if (what.do === 'remove') source.organizations.delete(orgId);
          else if (what.do === 'let go') gates.shift()?.resolve();
          else knowledge.refresh().catch(() => undefined);
          await knowledge.settled();
          for (const other of ORGANIZATIONS) assertTrue(other);
        }
        letGo();
        await Promise.all(waiting);
        for (const orgId of ORGANIZATIONS) commit(orgId);
        await knowledge.settled();
        for (const orgId of ORGANIZATIONS) await knowledge.ensure(orgId);
        await until(() => ORGANIZATIONS.every((orgId) => knowledge.status(orgId).state === 'current'));
        for (const orgId of ORGANIZATIONS) assertTrue(orgId);
        assert.equal(knowledge.forMs('c'), TTL);
      }),
      { numRuns: 300 },
    );
  });
});
