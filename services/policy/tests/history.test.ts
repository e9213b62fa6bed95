import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';

import { waitFor } from '@sallyport/dev-env';
import { ScopeServiceClient } from '@sallyport/proto/policy/v1';
import { newId } from '@sallyport/storage';
import fc from 'fast-check';

import type { Decision, DecisionRequest } from '../src/decide/index.ts';
import { prune, replay, type PolicyRevision, type Replay } from '../src/history/index.ts';
import { GRANTS, GrantDesk, codeOf, type Person } from './support/grant-desk.ts';
import { World, type Organization } from './support/world.ts';

const PATH = '/api/policy/v1/history/check';
const RUNS = 3;
const STEPS = 14;

/** A decision as it was made, and what it was about. */
interface Made {
  readonly request: DecisionRequest;
  readonly at: Date;
  readonly decision: Decision;
}

const essence = ({ allowed, reason, explanation, matchedGrant, matchedRole }: Decision): object => ({
  allowed,
  reason,
  explanation,
  matchedGrant,
  matchedRole,
});

describe('time travel', () => {
  let world: World;
  let org: Organization;
  let desk: GrantDesk;

  before(async () => {
    world = await World.create();
  });
  beforeEach(async () => {
    org = await world.organization();
    desk = new GrantDesk(world, org);
  });
  after(async () => {
    await world.dispose();
  });

  /** Changes what the subject log says of somebody, and waits until it is written down. */
  const commit = async (change: Parameters<World['identity']['commit']>[1][number]): Promise<void> => {
    const position = world.identity.commit(org.orgId, [change]);
    await world.applied(org.orgId, position);
    await written(position);
  };
  const written = async (position: bigint): Promise<void> => {
    const stands = async (): Promise<bigint> =>
      await world.context.db.read(org.orgId, async (tx) => {
        const [row] = await tx.query<{ position: string }>('SELECT position FROM standing_cursor WHERE org_id = $1', [
          org.orgId,
        ]);
        return BigInt(row?.position ?? 0);
      });
    await waitFor(async () => (await stands()) >= position, { message: 'standing was not written' });
  };

  const ask = async (request: Omit<DecisionRequest, 'orgId'>): Promise<Made> => {
    const { clock, decisions } = world.context;
    for (;;) {
      const question = { ...request, orgId: org.orgId };
      const at = clock.now();
      const decision = await decisions.ask(question);
      const isOneMoment = clock.now().getTime() === at.getTime();
      if (isOneMoment && !decision.reason.endsWith('_STALE')) return { request: question, at, decision };
      await setImmediate();
    }
  };
  /** What comes next comes in another millisecond. */
  const later = async (): Promise<void> => {
    const { clock } = world.context;
    const now = clock.now().getTime();
    while (clock.now().getTime() <= now + 1) await setImmediate();
  };
  const replayed = async ({ request, at }: Made, revision: PolicyRevision | null): Promise<Replay> =>
    await world.context.db.read(org.orgId, async (tx) => await replay(tx, { request, at, revision }));

  const tell = async (
    person: Person,
    action: string,
    more: object = {},
  ): Promise<{ readonly status: number; readonly code: string; readonly body: Readonly<Record<string, unknown>> }> => {
    const body = { subject: { type: 'user', id: person.id }, action, at: new Date().toISOString(), ...more };
    const answer = await world.call('POST', PATH, { token: org.ownerToken, body });
    return { status: answer.status, code: codeOf(answer), body: answer.body as Readonly<Record<string, unknown>> };
  };

  it('answers what was decided, with the grant and the path, after everything has changed', async () => {
    const groupId = await desk.newGroup();
    const member = await desk.newUser([groupId]);
    const grantId = await world.grant(org, {
      subject: { type: 'group', id: groupId },
      role: 'developer',
      scope: { projectId: org.projectId },
    });
    await written(world.context.standing.position(org.orgId));
    const request = {
      subject: { type: 'user', id: member.id, epoch: 0n },
      action: 'flag:toggle',
      projectId: '',
      environmentId: org.stagingId,
    };
    const { at, decision } = await ask(request);
    assert.equal(decision.reason, 'GRANTED');
    await later();
    assert.equal((await world.call('DELETE', `${GRANTS}/${grantId}`, { token: org.ownerToken })).status, 204);
    await commit({ subjectId: member.id, active: false, epoch: 2n });
    const scope = { environmentId: org.stagingId };
    const then = await tell(member, 'flag:toggle', { ...scope, at: at.toISOString() });
    assert.deepEqual(
      [then.status, then.body['decision'], then.body['reason'], then.body['exact']],
      [200, 'allow', 'GRANTED', true],
    );
    const path = then.body['path'] as Readonly<Record<string, unknown>>;
    assert.deepEqual(
      [path['grantId'], path['throughGroup'], path['role'], path['createdBy']],
      [grantId, groupId, 'developer', org.ownerId],
    );
    assert.ok(String(then.body['until']) > at.toISOString());
    const now = await tell(member, 'flag:toggle', scope);
    assert.deepEqual([now.body['reason'], now.body['until']], ['SUBJECT_REVOKED', null]);
    const exactly = await tell(member, 'flag:toggle', { ...scope, policyRevision: decision.policyRevision });
    assert.deepEqual([exactly.body['reason'], exactly.body['policyRevision']], ['GRANTED', decision.policyRevision]);
  });

  it('replays every decision as it was made, over any history (property)', async () => {
    const step = fc.record({
      kind: fc.constantFrom('give', 'give', 'give', 'take', 'group', 'status', 'tier', 'scope'),
      who: fc.nat({ max: 2 }),
      what: fc.nat(),
      isDenied: fc.boolean(),
      limit: fc.constantFrom('none', 'none', 'ends', 'condition'),
    });
    let replays = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: STEPS, maxLength: STEPS }), async (steps) => {
        org = await world.organization();
        desk = new GrantDesk(world, org);
        const groups = [await desk.newGroup(), await desk.newGroup()];
        const people = [await desk.newUser(), await desk.newUser([groups[0] ?? '']), await desk.newUser()];
        const memberOf = new Map([[people[1]?.id ?? '', groups[0] ?? '']]);
        const state = { people, groups, memberOf, epochs: new Map<string, bigint>(), sequence: 10n };
        await written(world.context.standing.position(org.orgId));
        const made: Made[] = [];
        for (const each of steps) {
          await later();
          await change(state, each);
          for (const request of questions(state, each.what)) made.push(await ask(request));
        }
        await later();
        for (const one of made) {
          const { standingPosition, grantsRevision } = one.decision;
          const exact = await replayed(one, { standingPosition, grantsRevision });
          assert.deepEqual({ ...exact.decision, validForMs: 0 }, { ...one.decision, validForMs: 0 });
          assert.equal(exact.isExact, true);
          const byTime = await replayed(one, null);
          assert.deepEqual(essence(byTime.decision), essence(one.decision));
          replays += 2;
        }
      }),
      { numRuns: RUNS },
    );
    assert.ok(replays >= RUNS * STEPS * 8, String(replays));
  });

  interface State {
    readonly people: readonly Person[];
    readonly groups: readonly string[];
    /** Groups of whom, as one text. */
    readonly memberOf: Map<string, string>;
    readonly epochs: Map<string, bigint>;
    sequence: bigint;
  }
  interface Step {
    readonly kind: string;
    readonly who: number;
    readonly what: number;
    readonly isDenied: boolean;
    readonly limit: string;
  }

  const change = async (state: State, { kind, who, what, isDenied, limit }: Step): Promise<void> => {
    const person = state.people[who] as Person;
    if (kind === 'give') {
      const scopes = [
        {},
        { projectId: org.projectId },
        { environmentId: org.stagingId },
        { environmentId: org.liveId },
      ];
      const soon = new Date(world.context.clock.now().getTime() + 40).toISOString();
      const isToGroup = what % 3 === 0;
      await desk.post(org.ownerToken, {
        subject: isToGroup ? { type: 'group', id: state.groups[who % 2] } : { type: 'user', id: person.id },
        role: ['viewer', 'developer', 'release_manager'][what % 3],
        scope: scopes[what % 4],
        ...(isDenied && what % 2 === 0 ? { effect: 'deny' } : {}),
        ...(limit === 'ends' ? { validUntil: soon } : {}),
        ...(limit === 'condition' ? { condition: { property: 'context.ip', operator: 'equals', value: 'here' } } : {}),
      });
    } else if (kind === 'take') {
      const given = (await desk.listed(`?subjectId=${person.id}`)).items;
      const one = given[what % Math.max(1, given.length)];
      if (one !== undefined) await desk.remove(org.ownerToken, one.id);
    } else if (kind === 'group' || kind === 'status') {
      const epoch = (state.epochs.get(person.id) ?? 1n) + (kind === 'status' ? 1n : 0n);
      state.epochs.set(person.id, epoch);
      const groupIds = kind === 'group' ? state.groups.filter((_, at) => ((what >> at) & 1) === 1) : [];
      // A position at which nothing changes is not noted: a decision at it would not be known to be exact.
      const isSame = kind === 'group' && groupIds.join() === (state.memberOf.get(person.id) ?? '');
      state.memberOf.set(person.id, groupIds.join());
      if (isSame) return;
      await commit({ subjectId: person.id, active: kind === 'group' || isDenied, epoch, groupIds });
    } else {
      state.sequence += 1n;
      await world.client(ScopeServiceClient, 'flags').unary(
        'putEnvironment',
        {
          orgId: org.orgId,
          projectId: org.projectId,
          environmentId: org.stagingId,
          key: 'staging',
          tier: what % 2 === 0 ? 1 : 2,
          deleted: kind === 'scope' && isDenied,
          sequence: state.sequence,
        },
        { deadlineMs: 10_000 },
      );
    }
  };

  const questions = (state: State, seed: number): readonly Omit<DecisionRequest, 'orgId'>[] =>
    state.people.flatMap(({ id }, at) =>
      ['flag:toggle', 'flag:read'].map((action, number) => ({
        subject: { type: 'user', id, epoch: 0n },
        action,
        projectId: (seed + at) % 5 === 0 ? org.projectId : '',
        environmentId: (seed + number) % 5 === 0 ? '' : (seed + at) % 2 === 0 ? org.stagingId : org.liveId,
        given: (seed + number) % 2 === 0 ? { context: { ip: 'here' } } : {},
      })),
    );

  it('keeps what a change by hand changes, whatever code makes it', async () => {
    const user = await desk.holding('viewer');
    const before = await ask({
      subject: { type: 'user', id: user.id, epoch: 0n },
      action: 'flag:read',
      projectId: org.projectId,
      environmentId: '',
    });
    await later();
    await world.context.db.unauditedWrite(org.orgId, 'a hand', async (tx) => {
      await tx.query('DELETE FROM role_grant WHERE org_id = $1 AND subject_id = $2', [org.orgId, user.id]);
    });
    await later();
    assert.equal((await replayed(before, null)).decision.reason, 'GRANTED');
    assert.equal((await replayed({ ...before, at: world.context.clock.now() }, null)).decision.reason, 'NO_GRANT');
  });

  it('says when the standing of a revision was never written down', async () => {
    const [one, other] = [await desk.newUser(), await desk.newUser()];
    const position = world.context.standing.position(org.orgId);
    await written(position);
    const request = { action: 'flag:read', projectId: org.projectId, environmentId: '' };
    const made = await ask({ ...request, subject: { type: 'user', id: one.id, epoch: 0n } });
    await later();
    // As a replica writes several entries at once: of one of them something changed, nobody knows at which.
    await world.context.db.unauditedWrite(org.orgId, 'several entries', async (tx) => {
      const stands = (position + 5n).toString();
      await tx.query(
        'UPDATE standing_subject SET active = false, position = $3 WHERE org_id = $1 AND subject_id = $2',
        [org.orgId, one.id, stands],
      );
      await tx.query('UPDATE standing_cursor SET position = $2 WHERE org_id = $1', [org.orgId, stands]);
    });
    const between = { standingPosition: position + 2n, grantsRevision: made.decision.grantsRevision };
    assert.equal((await replayed(made, between)).isExact, false);
    assert.equal((await replayed(made, { ...between, standingPosition: position })).isExact, true);
    const theirs = { ...made, request: { ...made.request, subject: { type: 'user', id: other.id, epoch: 0n } } };
    assert.equal((await replayed(theirs, between)).isExact, true);
  });

  it('replays no revision there has not been, and is not sure of standing that is not written yet', async () => {
    const user = await desk.holding('developer');
    await written(world.context.standing.position(org.orgId));
    const position = world.context.standing.position(org.orgId);
    const revision = world.context.knowledge.organization(org.orgId)?.revision ?? 0n;
    const asked = async (standing: bigint, grants: bigint) =>
      await tell(user, 'flag:read', { policyRevision: `${org.orgId}@s${String(standing)}.g${String(grants)}` });
    assert.equal((await asked(position, revision)).body['exact'], true);
    assert.equal((await asked(position + 1n, revision)).body['exact'], false);
    const never = await asked(position, revision + 1n);
    assert.deepEqual([never.status, never.code], [410, 'HISTORY_UNAVAILABLE']);
  });

  it('has no answer before the first kept moment, nor for the future', async () => {
    const user = await desk.newUser();
    assert.equal((await tell(user, 'flag:read', { at: '2001-01-01T00:00:00Z' })).code, 'HISTORY_UNAVAILABLE');
    assert.equal((await tell(user, 'flag:read', { at: '2999-01-01T00:00:00Z' })).code, 'INVALID_REQUEST');
    const foreign = await tell(user, 'flag:read', { policyRevision: `${newId()}@s1.g1` });
    assert.equal(foreign.code, 'INVALID_REQUEST');
    const tooOld = await tell(user, 'flag:read', { policyRevision: `${org.orgId}@s0.g0` });
    assert.deepEqual([tooOld.status, tooOld.code], [410, 'HISTORY_UNAVAILABLE']);
  });

  it('forgets what was over before its retention, and still answers from then on', async () => {
    const user = await desk.newUser();
    const grant = { subject: { type: 'user', id: user.id }, role: 'viewer' };
    const id = await world.grant(org, grant);
    await written(world.context.standing.position(org.orgId));
    const request = {
      subject: { type: 'user', id: user.id, epoch: 0n },
      action: 'flag:read',
      projectId: org.projectId,
    };
    const first = await ask({ ...request, environmentId: '' });
    await later();
    await desk.remove(org.ownerToken, id);
    await later();
    await world.grant(org, { ...grant, scope: { projectId: org.projectId } });
    const second = await ask({ ...request, environmentId: '' });
    await later();
    const { db, clock } = world.context;
    // A clock that stands a day after the second decision: one day is kept.
    const tomorrow = { ...clock, now: () => new Date(second.at.getTime() + 24 * 60 * 60 * 1_000) };
    await prune({ db, clock: tomorrow, days: 1 });
    await assert.rejects(replayed(first, null), { code: 'HISTORY_UNAVAILABLE' });
    const revision = first.decision;
    await assert.rejects(replayed(first, revision), { code: 'HISTORY_UNAVAILABLE' });
    assert.deepEqual(essence((await replayed(second, null)).decision), essence(second.decision));
  });

  it("is for who may read the audit log, and never another organisation's", async () => {
    const viewer = await desk.holding('viewer');
    const body = { subject: { type: 'user', id: viewer.id }, action: 'flag:read', at: new Date().toISOString() };
    assert.equal((await world.call('POST', PATH, { token: viewer.token, body })).status, 403);
    const auditor = await desk.holding('auditor');
    assert.equal((await world.call('POST', PATH, { token: auditor.token, body })).status, 200);
    const other = await world.organization();
    const again = { ...body, at: new Date().toISOString() };
    const theirs = await world.call('POST', PATH, { token: other.ownerToken, body: again });
    assert.equal((theirs.body as { reason: string }).reason, 'SUBJECT_UNKNOWN');
  });
});
