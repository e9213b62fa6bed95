import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import type { GrpcClient, ServerClientStream } from '@sallyport/grpc';
import {
  QueryServiceClient,
  ScopeServiceClient,
  type QueryServiceService,
  type WatchResponse,
} from '@sallyport/proto/policy/v1';
import { newId } from '@sallyport/storage';
import pg from 'pg';

import { createWatch, type Told } from '../src/watch/index.ts';
import { combinedKnowledge } from '../src/knowledge.ts';
import { BRIEF_LEASES } from './support/brief-leases.ts';
import { World, type Organization } from './support/world.ts';

const MOVE_HEAD = 'UPDATE policy.grants_head SET revision = revision + 1 WHERE org_id = $1';
const DELETE_LOG = 'DELETE FROM policy.grant_change WHERE org_id = $1';

describe('watching a policy', () => {
  let world: World;
  let org: Organization;
  let queries: GrpcClient<QueryServiceService>;

  beforeEach(async () => {
    world = await World.create(BRIEF_LEASES);
    org = await world.organization();
    queries = world.client(QueryServiceClient, 'flags');
  });
  afterEach(async () => {
    await world.dispose();
  });

  const watch = (afterRevision = '', orgId = org.orgId): ServerClientStream<WatchResponse> =>
    queries.serverStream('watch', { orgId, afterRevision });
  const next = async (stream: ServerClientStream<WatchResponse>): Promise<WatchResponse> => {
    const { value } = await stream.next();
    assert.ok(value !== undefined);
    return value;
  };
  /** The next change of grants or scopes; standing moves whenever a test makes people. */
  const nextChange = async (stream: ServerClientStream<WatchResponse>) => {
    for (;;) {
      const { event, revision } = await next(stream);
      if (event?.$case === 'change' && !event.value.standing) return { ...event.value, revision };
    }
  };
  const person = async (): Promise<string> => {
    const subjectId = newId();
    await world.user(org.orgId, subjectId, subjectId);
    return subjectId;
  };
  const give = async (subjectId: string): Promise<string> =>
    await world.grant(org, {
      subject: { type: 'user', id: subjectId },
      role: 'viewer',
      scope: { projectId: org.projectId },
    });

  it('begins with where it stands, then tells what changed: grants by name, the rest as everything', async () => {
    const subjectId = await person();
    const stream = watch();
    const first = await next(stream);
    assert.equal(first.event?.$case, 'heartbeat');
    assert.equal(first.revision, world.context.currentRevision(org.orgId));
    const grantId = await give(subjectId);
    const given = await nextChange(stream);
    assert.deepEqual(given.grants, [
      {
        grantId,
        subjectType: 'user',
        subjectId,
        role: 'viewer',
        projectId: org.projectId,
        environmentId: '',
        gone: false,
      },
    ]);
    assert.equal(given.everything, false);
    await world.call('DELETE', `/api/policy/v1/grants/${grantId}`, { token: org.ownerToken });
    const taken = await nextChange(stream);
    assert.deepEqual([taken.grants[0]?.grantId, taken.grants[0]?.gone], [grantId, true]);
    assert.equal(taken.grantsRevision, given.grantsRevision + 1n);
    const project = { orgId: org.orgId, projectId: newId(), key: 'new', deleted: false, sequence: 1n };
    await world.client(ScopeServiceClient, 'flags').unary('putProject', project, { deadlineMs: 10_000 });
    const scoped = await nextChange(stream);
    assert.deepEqual([scoped.grants, scoped.everything], [[], true]);
    stream.cancel();
  });

  it('tells that anything may be decided differently when a role is not what it was', async () => {
    const stream = watch();
    await next(stream);
    const body = { key: 'readers', name: 'Readers', levels: ['project'], permissions: { production: ['flag:read'] } };
    const { status, headers } = await world.call('POST', '/api/policy/v1/roles', { token: org.ownerToken, body });
    assert.equal(status, 201);
    const change = await nextChange(stream);
    assert.deepEqual([change.everything, change.grants], [true, []]);
    assert.equal(change.revision, headers.get('sallyport-revision'));
    stream.cancel();
  });

  it('tells that standing moved', async () => {
    const stream = watch();
    await next(stream);
    await person();
    const { event, revision } = await next(stream);
    assert.equal(event?.$case === 'change' && event.value.standing, true);
    assert.equal(revision, world.context.currentRevision(org.orgId));
    stream.cancel();
  });

  it('is taken up where it was left, without a gap and without saying anything twice', async () => {
    const people = [await person(), await person(), await person()];
    const stream = watch();
    const { revision: begun } = await next(stream);
    const grants: string[] = [];
    for (const subjectId of people) grants.push(await give(subjectId));
    const first = await nextChange(stream);
    stream.cancel();
    const told = async (from: string, count: number): Promise<(string | undefined)[]> => {
      const resumed = watch(from);
      const found: (string | undefined)[] = [];
      while (found.length < count) found.push((await nextChange(resumed)).grants[0]?.grantId);
      resumed.cancel();
      return found;
    };
    assert.equal(first.grants[0]?.grantId, grants[0]);
    assert.deepEqual(await told(first.revision, 2), grants.slice(1));
    assert.deepEqual(await told(begun, 3), grants);
  });

  it('says so when what lies between is not all known any more', async () => {
    const { revision } = await next(watch());
    const admin = new pg.Client(world.database.adminUrl);
    await admin.connect();
    try {
      for (let times = 0; times < 901; times += 1) await admin.query(MOVE_HEAD, [org.orgId]);
      await world.context.knowledge.refresh();
      await assert.rejects(nextChange(watch(revision)), { code: 'RESYNC_REQUIRED' });
      await admin.query(DELETE_LOG, [org.orgId]);
      const recent = world.context.currentRevision(org.orgId) ?? '';
      await admin.query(MOVE_HEAD, [org.orgId]);
      const change = await nextChange(watch(recent));
      assert.equal(change.everything, true, 'a revision the log says nothing about may have changed anything');
    } finally {
      await admin.end();
    }
  });

  it('refuses a revision that is ahead of everything, of another organisation, or none at all', async () => {
    await assert.rejects(next(watch(`${org.orgId}@s1.g999999`)), { code: 'RESYNC_REQUIRED' });
    await assert.rejects(next(watch(`${org.orgId}@s999999.g1`)), { code: 'RESYNC_REQUIRED' });
    const other = await world.organization();
    await assert.rejects(next(watch(`${other.orgId}@s1.g1`)), { code: 'INVALID_REQUEST' });
    await assert.rejects(next(watch('x')), { code: 'INVALID_REQUEST' });
    await assert.rejects(next(watch('', newId())), { code: 'NOT_FOUND' });
    await assert.rejects(next(watch('', 'x')), { code: 'NOT_FOUND' });
  });

  it('tells nothing of another organisation', async () => {
    const other = await world.organization();
    const stream = watch('', other.orgId);
    await next(stream);
    await give(await person());
    const projectId = newId();
    const project = { orgId: other.orgId, projectId, key: 'theirs', deleted: false, sequence: 9n };
    await world.client(ScopeServiceClient, 'flags').unary('putProject', project, { deadlineMs: 10_000 });
    const change = await nextChange(stream);
    assert.ok(change.revision.startsWith(`${other.orgId}@`));
    assert.deepEqual([change.grants, change.everything], [[], true]);
    stream.cancel();
  });

  it('ends when decisions cannot be made any more', async () => {
    const stream = watch();
    await next(stream);
    await world.identity.stop();
    await assert.rejects(nextChange(stream), { code: 'DECISION_UNAVAILABLE' });
    await assert.rejects(next(watch()), { code: 'DECISION_UNAVAILABLE' });
  });

  it('says that it is alive', async () => {
    const { db, knowledge, standing, standingLease, freshness, clock } = world.context;
    const known = combinedKnowledge(knowledge, standing, standingLease);
    const ended = new AbortController();
    const told: Told[] = [];
    const heartbeats = createWatch({ db, knowledge: known, freshness, clock, heartbeatMs: 40 });
    const watching = heartbeats({ orgId: org.orgId, after: '', signal: ended.signal }, async (message) => {
      told.push(message);
      await Promise.resolve();
    });
    await waitFor(() => told.length >= 4, { message: 'no heartbeat' });
    ended.abort();
    await watching;
    assert.ok(told.every(({ change }) => change === null));
  });
});
