import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import type { GrpcClient } from '@sallyport/grpc';
import {
  Decision,
  DecisionServiceClient,
  QueryServiceClient,
  type CheckRequest,
  type DecisionServiceService,
} from '@sallyport/proto/policy/v1';
import { newId } from '@sallyport/storage';
import { experiencedMs } from '@sallyport/testing';

import { BRIEF_LEASES } from './support/brief-leases.ts';
import { World, type Organization } from './support/world.ts';

const OPTIONS = { deadlineMs: 10_000 };

describe('answers over a stream, and answers that know of a revision', () => {
  let world: World;
  let org: Organization;
  let decisions: GrpcClient<DecisionServiceService>;

  before(async () => {
    world = await World.create(BRIEF_LEASES);
    org = await world.organization();
    decisions = world.client(DecisionServiceClient, 'flags');
  });
  after(async () => {
    await world.dispose();
  });

  const question = (changes: Partial<CheckRequest> = {}): CheckRequest => ({
    orgId: org.orgId,
    subject: { type: 'user', id: org.ownerId, epoch: 0n },
    action: 'organization:read',
    resource: { type: '', id: '', projectId: '', environmentId: '', properties: undefined },
    context: undefined,
    requestId: 'r',
    ...changes,
  });

  it('come in the order of the questions, each with its id', async () => {
    const stream = decisions.bidi('checkStream');
    const count = 500;
    const asking = (async () => {
      for (let at = 0; at < count; at += 1)
        await stream.write({
          check: question({ requestId: String(at), action: at % 3 === 0 ? 'no:such' : 'organization:read' }),
        });
      stream.end();
    })();
    let at = 0;
    for await (const { requestId, result } of stream) {
      assert.equal(requestId, String(at));
      assert.equal(result?.reason, at % 3 === 0 ? 'UNKNOWN_ACTION' : 'GRANTED');
      at += 1;
    }
    await asking;
    assert.equal(at, count);
    assert.equal(await stream.closed, null);
  });

  it('are the latest: who is deactivated while the stream is open is denied', async () => {
    const subjectId = newId();
    await world.user(org.orgId, subjectId, 'streamed');
    const subject = { type: 'user', id: subjectId, epoch: 1n };
    const stream = decisions.bidi('checkStream');
    const reason = async (): Promise<string | undefined> => {
      await stream.write({ check: question({ subject }) });
      return (await stream.next()).value?.result?.reason;
    };
    assert.equal(await reason(), 'NO_GRANT');
    await world.applied(org.orgId, world.identity.commit(org.orgId, [{ subjectId, active: false, epoch: 2n }]));
    assert.equal(await reason(), 'SUBJECT_REVOKED');
    stream.cancel();
  });

  it('end with an error where a message asks nothing, or nobody could tell whose answer it is', async () => {
    for (const check of [undefined, question({ requestId: '' })]) {
      const stream = decisions.bidi('checkStream');
      await stream.write({ check });
      await assert.rejects(stream.next(), { code: 'INVALID_REQUEST' });
    }
  });

  it('are not given to a service that has no business asking', async () => {
    const stream = world.client(DecisionServiceClient, 'policy').bidi('checkStream');
    await assert.rejects(stream.next(), { code: 'PERMISSION_DENIED' });
  });

  it('are not read ahead of: who does not read answers is not answered without end', async () => {
    const stream = decisions.bidi('checkStream', { stallMs: 300 });
    // Never read from: the window fills, then our own sending stalls.
    const long = 'x'.repeat(200);
    const sendAll = async (): Promise<void> => {
      for (let at = 0; at < 200_000; at += 1)
        await stream.write({ check: question({ requestId: `${long}${String(at)}` }) });
    };
    await assert.rejects(sendAll(), { code: 'RATE_LIMITED' });
  });

  const revisionOf = (position: bigint, revision: bigint, orgId = org.orgId): string =>
    `${orgId}@s${String(position)}.g${String(revision)}`;
  const ask = async (atLeastAsFresh: string) => await decisions.unary('check', question({ atLeastAsFresh }), OPTIONS);

  it('know of every write whose revision is handed over', async () => {
    const subjectId = newId();
    await world.user(org.orgId, subjectId, 'fresh');
    const created = await world.call('POST', '/api/policy/v1/grants', {
      token: org.ownerToken,
      body: { subject: { type: 'user', id: subjectId }, role: 'owner' },
    });
    assert.equal(created.status, 201);
    const revision = created.headers.get('sallyport-revision') ?? '';
    assert.match(revision, new RegExp(`^${org.orgId}@s\\d+\\.g\\d+$`));
    const subject = { type: 'user', id: subjectId, epoch: 0n };
    const answer = await decisions.unary('check', question({ subject, atLeastAsFresh: revision }), OPTIONS);
    assert.equal(answer.reason, 'GRANTED');
    const removed = await world.call('DELETE', `/api/policy/v1/grants/${(created.body as { id: string }).id}`, {
      token: org.ownerToken,
    });
    const next = removed.headers.get('sallyport-revision') ?? '';
    assert.notEqual(next, revision);
    const after = await decisions.unary('check', question({ subject, atLeastAsFresh: next }), OPTIONS);
    assert.equal(after.reason, 'NO_GRANT');
    const read = await world.call('GET', '/api/policy/v1/grants', { token: org.ownerToken });
    assert.equal(read.headers.get('sallyport-revision'), null);
  });

  it('know of roles and mappings whose revision is handed over', async () => {
    const [subjectId, groupId] = [newId(), newId()];
    world.identity.commit(org.orgId, [], [{ groupId, displayName: 'Readers' }]);
    await world.user(org.orgId, subjectId, 'mapped', [groupId]);
    const write = async (path: string, body: object): Promise<string> => {
      const answer = await world.call('POST', `/api/policy/v1/${path}`, { token: org.ownerToken, body });
      assert.equal(answer.status, 201, answer.text);
      return answer.headers.get('sallyport-revision') ?? '';
    };
    const key = 'seers';
    const role = { key, name: 'Seers', levels: ['organization'], permissions: { organization: ['audit:read'] } };
    const first = await write('roles', role);
    const second = await write('group-mappings', { groupId, role: key });
    const [before, after] = [first, second].map((revision) => Number(revision.split('.g')[1]));
    assert.ok(before !== undefined && after !== undefined && after > before, `${first} ${second}`);
    const subject = { type: 'user', id: subjectId, epoch: 0n };
    const asked = question({ subject, action: 'audit:read', atLeastAsFresh: second });
    assert.equal((await decisions.unary('check', asked, OPTIONS)).reason, 'GRANTED');
  });

  it('wait for standing that is on its way', async () => {
    const subjectId = newId();
    const before = world.context.standing.position(org.orgId);
    const asked = ask(revisionOf(before + 1n, 1n));
    world.identity.commit(org.orgId, [{ subjectId, groupIds: [] }]);
    const answer = await asked;
    assert.equal(answer.reason, 'GRANTED');
    assert.ok(answer.standingPosition > before);
  });

  it('are denials where the revision cannot be had in time, and say which knowledge is missing', async () => {
    const tookMs = await experiencedMs(async () => {
      const grants = await ask(revisionOf(1n, 999_999n));
      assert.deepEqual([grants.decision, grants.reason], [Decision.DECISION_DENY, 'GRANTS_STALE']);
      const standing = await ask(revisionOf(999_999n, 1n));
      assert.deepEqual([standing.decision, standing.reason], [Decision.DECISION_DENY, 'STANDING_STALE']);
    });
    assert.ok(tookMs < 1_500, `${String(tookMs)} ms, where it waits for 200 ms each`);
    // Within the caller's deadline, whatever it waits for.
    const inTime = await decisions.unary('check', question({ atLeastAsFresh: revisionOf(999_999n, 1n) }), {
      deadlineMs: 150,
    });
    assert.equal(inTime.reason, 'STANDING_STALE');
  });

  it('are denials for what is no revision, or one of another organisation', async () => {
    const other = await world.organization();
    for (const token of [
      'x',
      revisionOf(1n, 1n, other.orgId),
      `${revisionOf(1n, 1n)}x`,
      `${org.orgId}@s-1.g1`,
      `${org.orgId}@s1.g${'9'.repeat(20)}`,
    ]) {
      const answer = await ask(token);
      assert.deepEqual([answer.decision, answer.reason], [Decision.DECISION_DENY, 'INVALID_REQUEST'], token);
    }
  });

  it('are asked for once for a whole batch, and by each question of it', async () => {
    const checks = [question(), question({ atLeastAsFresh: revisionOf(1n, 1n) })];
    const stale = revisionOf(999_999n, 1n);
    const { results } = await decisions.unary('checkMany', { checks, atLeastAsFresh: stale }, OPTIONS);
    assert.deepEqual(
      results.map(({ reason }) => reason),
      ['STANDING_STALE', 'GRANTED'],
    );
  });

  it('of a batch know what came while one before them was waited for', async () => {
    for (;;) {
      const [subjectId, otherId] = [newId(), newId()];
      await world.user(org.orgId, subjectId, subjectId);
      const grantId = await world.grant(org, { subject: { type: 'user', id: subjectId }, role: 'owner' });
      const subject = { type: 'user', id: subjectId, epoch: 0n };
      const { reason, standingPosition } = await decisions.unary('check', question({ subject }), OPTIONS);
      assert.equal(reason, 'GRANTED');
      const next = revisionOf(standingPosition + 1n, 0n);
      const checks = [question({ subject }), question({ subject, atLeastAsFresh: next }), question({ subject })];
      const asked = decisions.unary('checkMany', { checks, atLeastAsFresh: undefined }, OPTIONS);
      await world.call('DELETE', `/api/policy/v1/grants/${grantId}`, { token: org.ownerToken });
      await world.user(org.orgId, otherId, otherId);
      const [first, ...others] = (await asked).results.map((answer) => answer.reason);
      // The grant has to go while the second waits: not before the first, nor after its patience has run out.
      if (first !== 'GRANTED' || others[0] === 'STANDING_STALE') continue;
      assert.deepEqual(others, ['NO_GRANT', 'NO_GRANT']);
      return;
    }
  });

  it('are refused by lists and explanations instead of given too early', async () => {
    const queries = world.client(QueryServiceClient, 'flags');
    const { subject, resource, orgId, action } = question();
    const page = { pageSize: 0, pageToken: '' };
    const list = async (atLeastAsFresh: string) =>
      await queries.unary('listActions', { orgId, subject, resource, ...page, atLeastAsFresh }, OPTIONS);
    await assert.rejects(list(revisionOf(1n, 999_999n)), {
      code: 'DECISION_UNAVAILABLE',
      metadata: { reason: 'GRANTS_STALE' },
    });
    await assert.rejects(list('x'), { code: 'INVALID_REQUEST' });
    assert.ok((await list(revisionOf(1n, 1n))).actions.length > 0);
    for (const atLeastAsFresh of [revisionOf(999_999n, 1n), 'x']) {
      const fresh = { ...page, atLeastAsFresh };
      await assert.rejects(
        queries.unary('listResources', { orgId, subject, action, types: [], projectId: '', ...fresh }, OPTIONS),
      );
      await assert.rejects(queries.unary('listSubjects', { orgId, action, resource, types: [], ...fresh }, OPTIONS));
      await assert.rejects(queries.unary('explain', { check: question({ atLeastAsFresh }) }, OPTIONS));
    }
  });

  it('say no revision of a write that may not be known yet', async () => {
    await world.identity.stop();
    await waitFor(() => world.context.standingLease.remainingMs() === 0, { message: 'lease' });
    assert.equal(world.context.currentRevision(org.orgId), null);
  });
});
