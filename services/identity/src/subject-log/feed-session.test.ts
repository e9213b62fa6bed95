import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import { isAppError } from '@sallyport/errors';
import type { FollowResponse, Hello } from '@sallyport/proto/identity/v1';

import type { LogEntry } from './entry.ts';
import { FeedSession, MAX_BACKLOG, type ReadEntries } from './feed-session.ts';
import { nextHeads, type Heads } from './heads.ts';
import { LeaseRegistry } from './lease-registry.ts';

const LOG_ID = 'log-1';
const hello = (change: Partial<Hello> = {}): Hello => ({
  replicaId: 'r',
  bootId: 'b',
  protocolVersion: 1,
  logId: LOG_ID,
  cursors: [],
  ...change,
});

const entry = (orgId: string, position: bigint, subjects = 1): LogEntry => ({
  orgId,
  position,
  cause: 'account.created',
  subjects: Array.from({ length: subjects }, (_, index) => ({
    subjectId: `${orgId}-${String(position)}-${String(index)}`,
    type: 'user',
    active: true,
    epoch: 1n,
    groupIds: [],
    deleted: false,
  })),
  groups: [],
  requestId: 'request',
  committedAt: new Date(0),
});

const readEntries: ReadEntries = ({ orgId, after, until }) =>
  Promise.resolve(
    Array.from({ length: Number(until - after) }, (_, index) => entry(orgId, after + BigInt(index) + 1n)),
  );

const headsOf = (positions: Record<string, number>): Heads =>
  nextHeads(undefined, new Map(Object.entries(positions).map(([orgId, position]) => [orgId, BigInt(position)])));

type Message = NonNullable<FollowResponse['message']>;

const open = (change: Partial<Hello> = {}, room = Number.POSITIVE_INFINITY) => {
  const messages: Message[] = [];
  let left = room;
  const session = new FeedSession(
    hello(change),
    {
      offer: ({ message }) => {
        left -= 1;
        if (left < 0) return false;
        if (message !== undefined) messages.push(message);
        return true;
      },
    },
    LOG_ID,
  );
  return { session, messages, registry: new LeaseRegistry(1_050) };
};

/** `A:1-3` for a Delta, `grant 7 {A:3}` and `resync A why` for the others. */
const told = (messages: readonly Message[]): string[] =>
  messages.map((message) => {
    if (message.$case === 'resync') return `resync ${message.value.orgId} ${message.value.reason}`;
    if (message.$case === 'grant') {
      const heads = message.value.heads.map(({ orgId, position }) => `${orgId}:${String(position)}`);
      return `grant ${String(message.value.nonce)} {${heads.join(' ')}}`;
    }
    const { entries } = message.value;
    return `${entries[0]?.orgId ?? ''}:${String(entries[0]?.position)}-${String(entries.at(-1)?.position)}`;
  });

describe('FeedSession (revocation.md §6)', () => {
  it('sends every Delta up to the heads before the Grant for them', async () => {
    const { session, messages } = open();
    await session.deliver(headsOf({ A: 3, B: 1 }), readEntries, { nonce: 7n, ttlMs: 1_000 });
    assert.deepEqual(told(messages), ['A:1-3', 'B:1-1', 'grant 7 {A:3 B:1}']);
  });

  it('continues from the cursors of Hello', async () => {
    const { session, messages } = open({ cursors: [{ orgId: 'A', position: 2n }] });
    await session.deliver(headsOf({ A: 3 }), readEntries, undefined);
    assert.deepEqual(told(messages), ['A:3-3']);
  });

  it('names in a Grant only the heads that changed, and digests the whole map', async () => {
    const { session, messages } = open();
    await session.deliver(headsOf({ A: 1, B: 1 }), readEntries, { nonce: 1n, ttlMs: 1_000 });
    const second = headsOf({ B: 2, A: 1 });
    await session.deliver(second, readEntries, { nonce: 2n, ttlMs: 1_000 });
    await session.deliver(second, readEntries, { nonce: 3n, ttlMs: 1_000 });
    assert.deepEqual(told(messages).slice(2), ['grant 1 {A:1 B:1}', 'B:2-2', 'grant 2 {B:2}', 'grant 3 {}']);
    const [last] = messages.slice(-1);
    assert.ok(last?.$case === 'grant');
    assert.deepEqual(Buffer.from(last.value.digest), createHash('sha256').update('A:1\nB:2\n').digest());
    assert.equal(last.value.logId, LOG_ID);
    assert.equal(last.value.ttlMs, 1_000);
  });

  it('sends nothing and grants nothing after a message that was lost', async () => {
    const { session, messages } = open({}, 1);
    await session.deliver(headsOf({ A: 1, B: 1 }), readEntries, { nonce: 7n, ttlMs: 1_000 });
    assert.deepEqual(told(messages), ['A:1-1']);
    assert.equal(session.isOpen, false);
    await session.deliver(headsOf({ A: 1, B: 1 }), readEntries, { nonce: 8n, ttlMs: 1_000 });
    assert.deepEqual(told(messages), ['A:1-1']);
  });

  it('splits long deltas so that no message grows without bound', async () => {
    const { session, messages } = open();
    const wide: ReadEntries = ({ orgId, after, until }) =>
      Promise.resolve(
        Array.from({ length: Number(until - after) }, (_, index) => entry(orgId, after + BigInt(index) + 1n, 500)),
      );
    await session.deliver(headsOf({ A: 4 }), wide, undefined);
    assert.equal(messages.length, 4);
  });

  describe('asks for a resync', () => {
    it('of everything, when the log is another one, and waits for the replica to say where it stands', async () => {
      const { session, messages, registry } = open({ logId: 'old', cursors: [{ orgId: 'A', position: 99n }] });
      await session.deliver(headsOf({ A: 3 }), readEntries, undefined);
      assert.deepEqual(told(messages), ['resync  unknown log']);
      session.renew({ nonce: 1n, applied: [{ orgId: 'A', position: 2n }] }, registry);
      await session.deliver(headsOf({ A: 3 }), readEntries, undefined);
      assert.deepEqual(told(messages).slice(1), ['A:3-3']);
    });

    it('when a head is lower than what was applied (restored database)', async () => {
      const { session, messages } = open({ cursors: [{ orgId: 'A', position: 9n }] });
      await session.deliver(headsOf({ A: 3 }), readEntries, { nonce: 1n, ttlMs: 1_000 });
      assert.deepEqual(told(messages), ['resync A head lower than applied', 'grant 1 {A:3}']);
    });

    it('when the replica is too far behind', async () => {
      const { session, messages } = open();
      await session.deliver(headsOf({ A: Number(MAX_BACKLOG) + 1, B: 1 }), readEntries, undefined);
      assert.deepEqual(told(messages), ['resync A too far behind', 'B:1-1']);
    });

    it('when entries are missing, and lets the other organisations go on', async () => {
      const { session, messages } = open();
      const withHole: ReadEntries = async (range) =>
        range.orgId === 'A'
          ? (await readEntries(range)).filter(({ position }) => position !== 2n)
          : await readEntries(range);
      await session.deliver(headsOf({ A: 3, B: 1 }), withHole, undefined);
      assert.deepEqual(told(messages), ['resync A entries missing', 'B:1-1']);
    });

    it('for an organisation the replica knows and the log does not', async () => {
      const { session, messages } = open({ cursors: [{ orgId: 'X', position: 9n }] });
      await session.deliver(headsOf({ A: 1 }), readEntries, undefined);
      assert.deepEqual(told(messages), ['A:1-1', 'resync X unknown organisation']);
    });
  });

  it('goes on after a snapshot from the position the replica reports, even if it reports amid a delivery', async () => {
    const { session, messages, registry } = open({ cursors: [{ orgId: 'A', position: 9n }] });
    const heads = headsOf({ A: 3, B: 1 });
    const reporting: ReadEntries = async (range) => {
      session.renew({ nonce: 2n, applied: [{ orgId: 'A', position: 1n }] }, registry);
      return await readEntries(range);
    };
    await session.deliver(heads, reporting, undefined);
    assert.deepEqual(told(messages), ['resync A head lower than applied', 'B:1-1']);
    await session.deliver(heads, readEntries, undefined);
    assert.deepEqual(told(messages).slice(2), ['A:2-3']);
  });

  it('passes acknowledgements on and answers the newest Renew', () => {
    const { session, registry } = open();
    assert.equal(session.wantsGrant, false);
    session.renew({ nonce: 1n, applied: [{ orgId: 'A', position: 4n }] }, registry);
    session.renew({ nonce: 2n, applied: [] }, registry);
    assert.equal(registry.hasApplied(session.replica, 'A', 4n), true);
    assert.equal(registry.hasApplied(session.replica, 'A', 5n), false);
    assert.equal(session.takeNonce(), 2n);
    assert.equal(session.wantsGrant, false);
  });

  it('refuses another protocol and replicas without a name', () => {
    for (const change of [{ protocolVersion: 2 }, { replicaId: '' }, { bootId: '' }])
      assert.throws(
        () => open(change),
        (error) => isAppError(error) && error.code === 'INVALID_REQUEST',
      );
  });
});
