import assert from 'node:assert/strict';

import { TTL, organization, setup, until } from '../../tests/support/grant-source.ts';

const refused = async (work: Promise<void>): Promise<void> => {
  await assert.rejects(work);
};

describe('knowledge of grants', () => {
  it('has no lease before the first read, and counts it from before the read began', async () => {
    const { time, source, knowledge, readAll } = setup();
    source.put(organization('a', 1n, 'viewer'));
    assert.equal(knowledge.forMs('a'), 0);
    source.onHeads = () => {
      time.ms += 300;
    };
    await readAll();
    assert.equal(knowledge.forMs('a'), TTL - 300);
    time.ms += TTL - 300;
    assert.equal(knowledge.forMs('a'), 0);
  });

  it('reads only what has moved, and replaces the snapshot by one reference', async () => {
    const { source, knowledge, readAll } = setup();
    source.put(organization('a', 1n, 'viewer'));
    source.put(organization('b', 1n, 'viewer'));
    await readAll();
    const before = knowledge.snapshot;
    await knowledge.refresh();
    assert.equal(knowledge.snapshot, before, 'nothing has moved');
    source.put(organization('b', 2n, 'developer'));
    await knowledge.refresh();
    assert.deepEqual([source.loads, source.changed], [[['a'], ['b']], [['b']]]);
    assert.equal(before.organizations.get('b')?.revision, 1n, 'a decision that holds the old one is not disturbed');
    assert.equal(knowledge.organization('b')?.revision, 2n);
    assert.equal(knowledge.organization('a'), before.organizations.get('a'));
    assert.deepEqual([...knowledge.snapshot.tokens.keys()].sort(), ['hash-a-1', 'hash-b-2']);
  });

  it('follows a revision backwards too (a restored database)', async () => {
    const { source, knowledge, readAll } = setup();
    source.put(organization('a', 5n, 'viewer'));
    await readAll();
    source.put(organization('a', 3n, 'developer'));
    await knowledge.refresh();
    assert.deepEqual([knowledge.forMs('a'), knowledge.organization('a')], [0, undefined]);
    await knowledge.ensure('a');
    assert.equal(knowledge.organization('a')?.revision, 3n);
  });

  it('forgets an organisation that is gone, with its tokens', async () => {
    const { source, knowledge, readAll } = setup();
    source.put(organization('a', 1n, 'viewer'));
    await readAll();
    source.organizations.delete('a');
    await knowledge.refresh();
    assert.deepEqual([knowledge.snapshot.organizations.size, knowledge.snapshot.tokens.size], [0, 0]);
  });

  it('takes no lease from a failed read, nor from a standby', async () => {
    const { time, source, knowledge, readAll } = setup();
    source.put(organization('a', 1n, 'viewer'));
    await readAll();
    time.ms = 500;
    source.failure = new Error('gone');
    await refused(knowledge.refresh());
    source.failure = null;
    source.isRecovering = true;
    await refused(knowledge.refresh());
    assert.equal(knowledge.forMs('a'), TTL - 500, 'what was known stays usable until its own end');
    assert.equal(knowledge.organization('a')?.revision, 1n);
  });

  it('keeps the last good index of an organisation that cannot be built, without lease, and repairs', async () => {
    const { source, knowledge, readAll } = setup();
    source.put(organization('a', 1n, 'viewer'));
    source.put(organization('b', 1n, 'viewer'));
    await readAll();
    source.put(organization('a', 2n, 'no-such-role', 'deny'));
    await knowledge.refresh();
    assert.deepEqual([knowledge.forMs('a'), knowledge.forMs('b')], [0, TTL]);
    await knowledge.ensure('a');
    assert.equal(knowledge.organization('a')?.revision, 1n);
    assert.deepEqual([knowledge.forMs('a'), knowledge.forMs('b')], [0, TTL]);
    const { length } = source.loads;
    await knowledge.refresh();
    assert.equal(source.loads.length, length, 'it is not built again before it has moved');
    source.put(organization('a', 3n, 'developer'));
    await knowledge.refresh();
    assert.equal(knowledge.forMs('a'), 0);
    await until(() => knowledge.forMs('a') > 0);
    assert.deepEqual([knowledge.forMs('a'), knowledge.organization('a')?.revision], [TTL, 3n]);
  });

  it('settles on a read that began after the call, also while another one is running', async () => {
    const { source, knowledge, readAll } = setup();
    source.put(organization('a', 1n, 'viewer'));
    await readAll();
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    source.onHeads = async () => {
      source.onHeads = () => undefined;
      begun.resolve();
      await gate.promise;
    };
    const running = knowledge.refresh();
    await begun.promise;
    // Committed after that read had taken its heads.
    source.put(organization('a', 2n, 'developer'));
    const settled = knowledge.settled();
    gate.resolve();
    await running;
    assert.equal(knowledge.organization('a')?.revision, 1n);
    await settled;
    assert.equal(knowledge.organization('a')?.revision, 2n);
  });

  it('drops the lease when it cannot settle: what is known to be old decides nothing', async () => {
    const { source, knowledge, readAll } = setup();
    source.put(organization('a', 1n, 'viewer'));
    await readAll();
    source.failure = new Error('gone');
    await knowledge.settled();
    assert.equal(knowledge.forMs('a'), 0);
    source.failure = null;
    await knowledge.refresh();
    assert.equal(knowledge.forMs('a'), TTL);
  });

  it('has no index, and so no lease, of an organisation nobody asked for; reads it once when somebody does', async () => {
    const { source, knowledge } = setup();
    source.put(organization('a', 1n, 'viewer'));
    source.put(organization('b', 1n, 'viewer'));
    await knowledge.refresh();
    assert.deepEqual(source.loads, []);
    assert.deepEqual([knowledge.forMs('a'), knowledge.organization('a')], [0, undefined]);
    assert.ok(knowledge.snapshot.tokens.has('hash-a-1'), 'who asks can be told before');
    await Promise.all(Array.from({ length: 50 }, () => knowledge.ensure('a')));
    assert.deepEqual(source.loads, [['a']]);
    assert.deepEqual([knowledge.forMs('a'), knowledge.organization('a')?.revision], [TTL, 1n]);
    await knowledge.ensure('nobody');
    assert.deepEqual(source.loads, [['a']]);
  });

  it('gives up the index unused for longest when memory is needed, and decides nothing without it', async () => {
    const { source, knowledge } = setup({ maxBytes: 8_000 });
    for (const orgId of ['a', 'b', 'c', 'd']) source.put(organization(orgId, 1n, 'viewer'));
    await knowledge.refresh();
    for (const orgId of ['a', 'b']) await knowledge.ensure(orgId);
    assert.ok(knowledge.organization('a') !== undefined);
    await knowledge.ensure('c');
    assert.deepEqual(
      ['a', 'b', 'c'].map((orgId) => knowledge.forMs(orgId) > 0),
      [true, false, true],
    );
    // One that is changed is no more used than before by that.
    source.put(organization('a', 2n, 'developer'));
    await knowledge.ensure('b');
    assert.equal(knowledge.organization('b')?.revision, 1n);
    assert.ok(knowledge.snapshot.organizations.size <= 2);
  });

  it('compares what was changed step by step with a new build, and goes on with that', async () => {
    const { source, knowledge, readAll } = setup();
    source.put(organization('a', 1n, 'viewer'));
    await readAll();
    for (let revision = 2n; revision <= 101n; revision += 1n) {
      source.put(organization('a', revision, revision % 2n === 0n ? 'developer' : 'viewer'));
      await knowledge.refresh();
    }
    const patched = knowledge.organization('a');
    await until(() => knowledge.organization('a') !== patched);
    assert.equal(source.loads.length, 2);
    await knowledge.refresh();
    await knowledge.refresh();
    assert.equal(source.loads.length, 2);
  });

  it('sees an index that is not what a new build makes', async () => {
    const { source, knowledge, readAll, metrics } = setup();
    source.put(organization('a', 1n, 'viewer'));
    await readAll();
    const changes = source.changes.bind(source);
    source.changes = async (known) => (await changes(known)).map((each) => ({ ...each, grants: [] }));
    const gate = Promise.withResolvers<void>();
    source.onLoad = () => gate.promise;
    for (let revision = 2n; revision <= 101n; revision += 1n) {
      source.put(organization('a', revision, 'viewer'));
      await knowledge.refresh();
    }
    assert.match((await metrics.render()).body, /policy_index_drift_total\{[^}]*\} 0/);
    assert.equal(knowledge.organization('a')?.grants.length, 0, 'the source lied');
    gate.resolve();
    await until(() => knowledge.organization('a')?.grants.length === 1);
    assert.match((await metrics.render()).body, /policy_index_drift_total\{[^}]*\} 1/);
  });

  it('tells what is held up and why', async () => {
    const { source, knowledge, readAll } = setup();
    source.put(organization('a', 1n, 'viewer'));
    await readAll();
    assert.deepEqual([knowledge.status('a').state, knowledge.status('a').quarantined], ['current', []]);
    source.put(organization('a', 2n, 'no-such-role', 'deny'));
    await knowledge.refresh();
    assert.deepEqual([knowledge.status('a').state, knowledge.status('a').index?.revision], ['held', 1n]);
    await knowledge.ensure('a');
    const { state, index, quarantined } = knowledge.status('a');
    assert.deepEqual([state, index?.revision, quarantined.map(({ id }) => id)], ['held', 1n, ['grant-a']]);
    source.put(organization('b', 1n, 'no-such-role', 'deny'));
    await readAll();
    assert.deepEqual([knowledge.forMs('b'), knowledge.organization('b')], [0, undefined]);
    source.put(organization('b', 2n, 'viewer'));
    await knowledge.refresh();
    await until(() => knowledge.forMs('b') > 0);
    assert.equal(knowledge.organization('b')?.revision, 2n, 'it is tried again once its rows have moved');
  });
});
