import assert from 'node:assert/strict';

import { ManualTime } from '../../tests/support/manual-time.ts';
import { serverWaitMs } from './barrier.ts';
import { BEAT_VALID_MS, FeedNodes, type FeedNodeStore } from './feed-nodes.ts';

const TTL_MS = 1_000;
const DEAD_AFTER_MS = Math.ceil(BEAT_VALID_MS * 1.05) + serverWaitMs(TTL_MS);

/** The table, shared by the processes of a test. */
class Table {
  readonly beats = new Map<string, bigint>();
  readonly removed: string[] = [];
  isDown = false;

  store(): FeedNodeStore {
    const others = (nodeId: string): Map<string, bigint> => new Map([...this.beats].filter(([id]) => id !== nodeId));
    const up = (): void => {
      if (this.isDown) throw new TypeError('database away');
    };
    return {
      beat: (nodeId) => {
        up();
        this.beats.set(nodeId, (this.beats.get(nodeId) ?? 0n) + 1n);
        return Promise.resolve(others(nodeId));
      },
      others: (nodeId) => {
        up();
        return Promise.resolve(others(nodeId));
      },
      remove: (nodeIds) => {
        for (const id of nodeIds) this.beats.delete(id);
        this.removed.push(...nodeIds);
        return Promise.resolve();
      },
    };
  }
}

const setUp = () => {
  const [time, table] = [new ManualTime(), new Table()];
  const node = (nodeId: string): FeedNodes =>
    new FeedNodes({ nodeId, store: table.store(), leaseTtlMs: TTL_MS, monotonicMs: time.monotonicMs });
  return { time, table, node };
};

describe('FeedNodes', () => {
  it('knows that it is alone when no other process ever was', async () => {
    const { node } = setUp();
    const own = node('1');
    await own.beat();
    assert.equal(await own.othersMayHaveGranted(), false);
  });

  it('takes a process it has just met for alive: after a restart nothing is known of the old leases', async () => {
    const { time, table, node } = setUp();
    table.beats.set('before-the-restart', 17n);
    const own = node('1');
    await own.beat();
    assert.equal(await own.othersMayHaveGranted(), true);
    time.advance(DEAD_AFTER_MS);
    assert.equal(await own.othersMayHaveGranted(), true);
    time.advance(1);
    assert.equal(await own.othersMayHaveGranted(), false);
  });

  it('sees another process as long as its number moves, however rarely it looks', async () => {
    const { time, node } = setUp();
    const [own, other] = [node('1'), node('2')];
    await own.beat();
    for (let round = 0; round < 20; round += 1) {
      await other.beat();
      time.advance(DEAD_AFTER_MS + 1);
      assert.equal(await own.othersMayHaveGranted(), true);
    }
  });

  it('sees a process that began to beat only just now', async () => {
    const { time, node } = setUp();
    const [own, other] = [node('1'), node('2')];
    await own.beat();
    time.advance(60_000);
    await other.beat();
    assert.equal(await own.othersMayHaveGranted(), true);
  });

  it('grants only while the others can see it', async () => {
    const { time, table, node } = setUp();
    const own = node('1');
    assert.equal(own.mayGrant(), false, 'not before the first beat');
    await own.beat();
    assert.equal(own.mayGrant(), true);
    table.isDown = true;
    await assert.rejects(own.beat());
    time.advance(BEAT_VALID_MS - 1);
    assert.equal(own.mayGrant(), true);
    time.advance(1);
    assert.equal(own.mayGrant(), false);
  });

  it('stops granting before anybody takes it for dead', () => {
    assert.ok(DEAD_AFTER_MS >= BEAT_VALID_MS + serverWaitMs(TTL_MS));
  });

  it('forgets processes that ended long ago', async () => {
    const { time, table, node } = setUp();
    table.beats.set('old', 1n);
    const own = node('1');
    await own.beat();
    time.advance(61 * 60 * 1_000);
    await own.beat();
    assert.deepEqual(table.removed, ['old']);
  });
});
