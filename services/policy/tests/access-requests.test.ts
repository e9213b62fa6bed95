import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import fc from 'fast-check';

import { approveRequest, endDueRequests } from '../src/access-requests/index.ts';
import { whileAccessEnds } from './support/ending-access.ts';
import { GrantDesk, codeOf, type Person } from './support/grant-desk.ts';
import { administratorAfter } from './support/meanwhile.ts';
import { World, type Answer, type Organization } from './support/world.ts';

const PATH = '/api/policy/v1/access-requests';
const HOUR_MS = 60 * 60 * 1_000;

interface RequestBody {
  readonly id: string;
  readonly state: string;
  readonly hash: string;
  readonly failure: string | null;
  readonly answeredBy: string | null;
  readonly grant: { readonly id: string; readonly validUntil: string } | null;
}

interface Page {
  readonly items: readonly RequestBody[];
  readonly nextCursor: string | null;
}

describe('access requests', () => {
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

  const inTime = (ms: number): string => new Date(world.context.clock.now().getTime() + ms).toISOString();

  const wish = (more: object = {}): object => ({
    role: 'release_manager',
    scope: { environmentId: org.liveId },
    validUntil: inTime(HOUR_MS),
    reason: 'The checkout is down.',
    ...more,
  });

  const asked = async (person: Person, more: object = {}): Promise<RequestBody> => {
    const answer = await desk.post(person.token, wish(more), PATH);
    assert.equal(answer.status, 201, answer.text);
    return answer.body as RequestBody;
  };

  const answer = async (
    token: string,
    { id, hash }: Pick<RequestBody, 'id' | 'hash'>,
    verb: 'approve' | 'deny' | 'cancel' = 'approve',
  ): Promise<Answer> =>
    await world.call('POST', `${PATH}/${id}/${verb}`, { token, body: verb === 'cancel' ? undefined : { hash } });

  const shown = async (id: string, token = org.ownerToken): Promise<RequestBody> => {
    const { status, body, text } = await world.call('GET', `${PATH}/${id}`, { token });
    assert.equal(status, 200, text);
    return body as RequestBody;
  };

  const mayToggle = async (person: Person): Promise<string> =>
    (await world.check({ orgId: org.orgId, subjectId: person.id, action: 'flag:toggle', environmentId: org.liveId }))
      .reason;

  const grantsOf = async (person: Person): Promise<number> =>
    (await desk.listed(`?subjectId=${person.id}`)).items.length;

  it('give the role, until the moment asked for, once somebody else approves', async () => {
    const engineer = await desk.newUser();
    const request = await asked(engineer);
    assert.deepEqual([request.state, await mayToggle(engineer)], ['pending', 'NO_GRANT']);
    const approved = await answer(org.ownerToken, request);
    const { state, grant, answeredBy } = approved.body as RequestBody;
    assert.deepEqual([approved.status, state, answeredBy], [200, 'approved', org.ownerId]);
    assert.equal(await mayToggle(engineer), 'GRANTED');
    assert.ok(grant !== null && new Date(grant.validUntil) > world.context.clock.now());
    const entries = (await desk.audit()).map(({ entry }) => entry).filter(({ target }) => target.id === grant.id);
    assert.deepEqual(
      entries.map(({ action }) => action),
      ['grant.created'],
    );
    const said = (await desk.audit()).filter(({ entry }) => entry.target.id === request.id);
    assert.deepEqual(
      said.map(({ entry }) => entry.action),
      ['access-request.approved', 'access-request.created'],
    );
  });

  it('end by themselves, and the same may be asked for and given again afterwards', async () => {
    const engineer = await desk.newUser();
    for (let round = 0; round < 2; round += 1) {
      const request = await asked(engineer, { validUntil: inTime(400) });
      const { status, text } = await answer(org.ownerToken, request);
      assert.equal(status, 200, text);
      assert.equal(await mayToggle(engineer), 'GRANTED');
      await waitFor(async () => (await mayToggle(engineer)) === 'GRANT_EXPIRED', { message: 'the role to end' });
    }
    assert.equal(await grantsOf(engineer), 1);
  });

  it('are refused when they make no sense: role, scope, level, period, no reason', async () => {
    const { token } = await desk.newUser();
    const bad: readonly (readonly [object, number])[] = [
      [{ role: 'superuser' }, 400],
      [{ role: 'owner' }, 400],
      [{ role: '__proto__' }, 400],
      [{ scope: { environmentId: org.ownerId } }, 404],
      [{ reason: ' ' }, 400],
      [{ reason: undefined }, 400],
      [{ validUntil: undefined }, 400],
      [{ validUntil: inTime(-1) }, 400],
      [{ validUntil: inTime(31 * 24 * HOUR_MS) }, 400],
      [{ expiresAt: inTime(2 * HOUR_MS) }, 400],
      [{ subject: { type: 'user', id: org.ownerId } }, 400],
    ];
    for (const [more, status] of bad)
      assert.equal((await desk.post(token, wish(more), PATH)).status, status, JSON.stringify(more));
    assert.equal((await world.call('POST', PATH, { body: wish() })).status, 401);
  });

  it('of one person wait so many and no more, however many are made at once', async () => {
    const engineer = await desk.newUser();
    const answers = await Promise.all(
      Array.from({ length: 30 }, async () => await desk.post(engineer.token, wish(), PATH)),
    );
    assert.equal(answers.filter(({ status }) => status === 201).length, 20);
    assert.deepEqual(new Set(answers.map(codeOf)), new Set(['', 'TOO_MANY']));
  });

  it('are not approved by who asked, whatever they may do otherwise', async () => {
    const owner = await desk.holding('owner');
    const request = await asked(owner);
    const refused = await answer(owner.token, request);
    assert.deepEqual([refused.status, codeOf(refused)], [403, 'SELF_APPROVAL']);
    assert.equal((await shown(request.id)).state, 'pending');
    const denied = (await desk.audit()).find(({ entry }) => entry.action === 'access-request.answer-refused');
    assert.equal(denied?.entry.reason, 'SELF_APPROVAL');
  });

  it('of a machine are not approved by who is behind it, nor by another machine', async () => {
    const sponsor = await desk.holding('owner');
    const machineId = (await desk.newUser()).id.replace(/^.{8}/, 'aaaaaaaa');
    const token = `machine-${machineId}`;
    const type = 2;
    world.identity.allow(token, { orgId: org.orgId, subjectId: machineId, type, sponsorSubjectIds: [sponsor.id] });
    await world.applied(org.orgId, world.identity.commit(org.orgId, [{ subjectId: machineId, type }]));
    const request = await asked({ id: machineId, token });
    assert.equal(codeOf(await answer(sponsor.token, request)), 'SELF_APPROVAL');
    await world.grant(org, { subject: { type: 'service_account', id: machineId }, role: 'owner' });
    const other = await asked(await desk.newUser());
    assert.equal(codeOf(await answer(token, other)), 'SELF_APPROVAL');
    assert.equal((await answer(org.ownerToken, request)).status, 200);
  });

  it('are approved by nobody who could not give the role themselves', async () => {
    const engineer = await desk.newUser();
    const viewer = await desk.holding('viewer');
    const elsewhere = await asked(engineer, { role: 'auditor', scope: {} });
    const request = await asked(engineer);
    const projectAdmin = await desk.holding('project_admin', { projectId: org.projectId });
    assert.equal(codeOf(await answer(viewer.token, request)), 'PERMISSION_DENIED');
    assert.equal(codeOf(await answer(viewer.token, request, 'deny')), 'PERMISSION_DENIED');
    assert.equal(codeOf(await answer(projectAdmin.token, elsewhere)), 'PERMISSION_DENIED');
    const { id } = await desk.newUser();
    await world.grant(org, {
      subject: { type: 'user', id: projectAdmin.id },
      role: 'release_manager',
      scope: { environmentId: org.liveId },
      effect: 'deny',
    });
    assert.equal(codeOf(await answer(projectAdmin.token, request)), 'ESCALATION');
    assert.deepEqual([(await shown(request.id)).state, await grantsOf({ id, token: '' })], ['pending', 0]);
    assert.equal((await answer(org.ownerToken, request)).status, 200);
  });

  it('are approved as they were looked at: another hash, and nothing happens', async () => {
    const engineer = await desk.newUser();
    const request = await asked(engineer);
    const other = await asked(engineer, { reason: 'Another one.' });
    assert.notEqual(request.hash, other.hash);
    const refused = await answer(org.ownerToken, { id: request.id, hash: other.hash });
    assert.equal(codeOf(refused), 'HASH_MISMATCH');
    assert.equal((await shown(request.id)).state, 'pending');
  });

  it('fail when the roles exclude each other by the time they are approved', async () => {
    const engineer = await desk.newUser();
    const request = await asked(engineer);
    await world.grant(org, { subject: { type: 'user', id: engineer.id }, role: 'auditor' });
    assert.equal(codeOf(await answer(org.ownerToken, request)), 'SEPARATION_OF_DUTIES');
    const { state, failure } = await shown(request.id);
    assert.deepEqual([state, failure], ['failed', 'SEPARATION_OF_DUTIES']);
    assert.equal(codeOf(await answer(org.ownerToken, request)), 'CONFLICT');
  });

  it('fail when the role has come to mean something else since', async () => {
    const permissions = { production: ['flag:read'] };
    const role = { key: 'looker', name: 'Looker', levels: ['environment'], permissions };
    assert.equal((await desk.post(org.ownerToken, role, '/api/policy/v1/roles')).status, 201);
    const engineer = await desk.newUser();
    const request = await asked(engineer, { role: 'looker' });
    const { key, ...body } = { ...role, permissions: { production: ['flag:read', 'flag:toggle'] } };
    const changed = await world.call('PUT', `/api/policy/v1/roles/${key}`, {
      token: org.ownerToken,
      body,
      headers: { 'if-match': '*' },
    });
    assert.equal(changed.status, 200, changed.text);
    assert.equal(codeOf(await answer(org.ownerToken, request)), 'STALE_BASE');
    assert.deepEqual([(await shown(request.id)).failure, await grantsOf(engineer)], ['STALE_BASE', 0]);
  });

  it('are answered once: denied, cancelled, approved is the end', async () => {
    const engineer = await desk.newUser();
    const stranger = await desk.newUser();
    const denied = await asked(engineer);
    assert.equal((await answer(org.ownerToken, denied, 'deny')).status, 200);
    assert.equal(codeOf(await answer(org.ownerToken, denied)), 'CONFLICT');
    const cancelled = await asked(engineer);
    assert.equal((await answer(stranger.token, cancelled, 'cancel')).status, 404);
    assert.equal((await answer(org.ownerToken, cancelled, 'cancel')).status, 404);
    assert.equal((await answer(engineer.token, cancelled, 'cancel')).status, 200);
    assert.equal(codeOf(await answer(org.ownerToken, cancelled)), 'CONFLICT');
    assert.equal(codeOf(await answer(engineer.token, cancelled, 'cancel')), 'CONFLICT');
    assert.equal(await grantsOf(engineer), 0);
  });

  it('unanswered in time are expired, before and after it is written down', async () => {
    const engineer = await desk.newUser();
    const request = await asked(engineer, { expiresAt: inTime(100) });
    await waitFor(async () => (await shown(request.id)).state === 'expired', { message: 'the request to expire' });
    assert.equal(codeOf(await answer(org.ownerToken, request)), 'CONFLICT');
    await Promise.all([1, 2, 3].map(async () => await endDueRequests(world.context)));
    const said = (await desk.audit()).filter(({ entry }) => entry.action === 'access-request.expired');
    assert.equal(said.length, 1);
    assert.equal((await shown(request.id)).state, 'expired');
  });

  it('of somebody deactivated are void, also when they come back', async () => {
    const engineer = await desk.newUser();
    const request = await asked(engineer);
    const { orgId } = org;
    await world.applied(orgId, world.identity.commit(orgId, [{ subjectId: engineer.id, active: false, epoch: 2n }]));
    assert.deepEqual(
      [(await shown(request.id)).failure, codeOf(await answer(org.ownerToken, request))],
      ['REQUESTER_GONE', 'CONFLICT'],
    );
    await world.applied(orgId, world.identity.commit(orgId, [{ subjectId: engineer.id, active: true, epoch: 2n }]));
    assert.equal(codeOf(await answer(org.ownerToken, request)), 'CONFLICT');
    await world.context.dueWork.run();
    assert.equal((await shown(request.id)).state, 'cancelled');
    assert.equal(await mayToggle(engineer), 'NO_GRANT');
  });

  it('give nothing when the access of who asked ends before the commit', async () => {
    const engineer = await desk.newUser();
    const request = await asked(engineer);
    const administrator = administratorAfter(org, org.ownerId, {
      validForMs: 10_000,
      decidedAtMonotonicMs: world.context.clock.monotonicMs(),
    });
    const verdict = { requestId: request.id, hash: request.hash, answer: null };
    const ending = whileAccessEnds(world.context, engineer.id);
    await assert.rejects(approveRequest(ending, administrator, verdict), { code: 'DECISION_EXPIRED' });
    assert.deepEqual([(await shown(request.id)).state, await grantsOf(engineer)], ['pending', 0]);
    await approveRequest(whileAccessEnds(world.context, org.projectId), administrator, verdict);
    assert.equal(await grantsOf(engineer), 1);
  });

  it('are shown to who asked and to who may give roles there, in pages', async () => {
    const engineer = await desk.newUser();
    const stranger = await desk.newUser();
    const projectAdmin = await desk.holding('project_admin', { projectId: org.projectId });
    for (let i = 0; i < 3; i += 1) await asked(engineer);
    await asked(engineer, { scope: {} });
    const list = async (token: string, query: string): Promise<Answer> =>
      await world.call('GET', PATH + query, { token });
    const first = (await list(engineer.token, '?limit=2')).body as Page;
    const second = (await list(engineer.token, `?limit=2&cursor=${String(first.nextCursor)}`)).body as Page;
    assert.equal(new Set([...first.items, ...second.items].map(({ id }) => id)).size, 4);
    assert.equal(second.nextCursor, null);
    assert.equal(((await list(stranger.token, '')).body as Page).items.length, 0);
    assert.equal((await list(stranger.token, '?of=everybody')).status, 403);
    assert.equal((await list(projectAdmin.token, '?of=everybody')).status, 403);
    const inProject = await list(projectAdmin.token, `?of=everybody&projectId=${org.projectId}&state=pending`);
    assert.equal((inProject.body as Page).items.length, 3);
    const id = String(first.items[0]?.id);
    assert.equal((await world.call('GET', `${PATH}/${id}`, { token: stranger.token })).status, 403);
    const rival = await world.organization();
    assert.equal((await world.call('GET', `${PATH}/${id}`, { token: rival.ownerToken })).status, 404);
  });

  it('make exactly one grant however many approve, deny and cancel at once', async () => {
    const owners = [await desk.holding('owner'), await desk.holding('owner')];
    type Step = 'approve' | 'deny' | 'cancel';
    const steps = fc.array(fc.constantFrom<Step>('approve', 'approve', 'deny', 'cancel'), {
      minLength: 1,
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(steps, fc.boolean(), async (verbs, isConcurrent) => {
        const engineer = await desk.newUser();
        const request = await asked(engineer);
        const run = async (verb: Step, index: number): Promise<number> => {
          const token = verb === 'cancel' ? engineer.token : String(owners[index % owners.length]?.token);
          return (await answer(token, request, verb)).status;
        };
        const statuses: number[] = [];
        if (isConcurrent) statuses.push(...(await Promise.all(verbs.map(run))));
        else for (const [index, verb] of verbs.entries()) statuses.push(await run(verb, index));
        assert.equal(statuses.filter((status) => status === 200).length, 1, JSON.stringify(statuses));
        const { state, grant } = await shown(request.id);
        const given = await desk.listed(`?subjectId=${engineer.id}`);
        assert.deepEqual(
          given.items.map(({ id }) => id),
          state === 'approved' ? [grant?.id] : [],
        );
      }),
      { numRuns: 25 },
    );
  });
});
