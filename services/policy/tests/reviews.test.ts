import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';
import pg from 'pg';

import { endDueReviews } from '../src/reviews/index.ts';
import { codeOf, type Person } from './support/grant-desk.ts';
import { ProposalDesk } from './support/proposal-desk.ts';
import { World, type Answer } from './support/world.ts';

const REVIEWS = '/api/policy/v1/reviews';
const HOUR_MS = 60 * 60 * 1_000;

interface ReviewBody {
  readonly id: string;
  readonly state: string;
  readonly deadline: string;
  readonly approvalRef: string | null;
  readonly progress: Readonly<Record<string, number>>;
}

interface ItemBody {
  readonly grantId: string;
  readonly grant: Readonly<Record<string, unknown>>;
  readonly grantedBy: string;
  readonly members: readonly string[];
  readonly state: string;
  readonly decidedBy: string | null;
  readonly failure: string | null;
  readonly hash: string;
}

describe('reviews', () => {
  let world: World;
  let desk: ProposalDesk;
  let reviewer: Person;

  before(async () => {
    world = await World.create();
  });
  beforeEach(async () => {
    desk = await ProposalDesk.open(world);
    reviewer = desk.owners[1];
  });
  after(async () => {
    await world.dispose();
  });

  const inTime = (ms: number): string => new Date(world.context.clock.now().getTime() + ms).toISOString();

  const wanted = (more: object = {}): object => ({
    title: 'Third quarter',
    scope: desk.live,
    reviewers: [reviewer.id],
    deadline: inTime(HOUR_MS),
    ...more,
  });

  const starting = async (more: object = {}, token = desk.org.ownerToken): Promise<Answer> =>
    await desk.post(token, wanted(more), REVIEWS);

  const started = async (more: object = {}): Promise<ReviewBody> => {
    const answer = await starting(more);
    assert.equal(answer.status, 201, answer.text);
    return answer.body as ReviewBody;
  };

  const get = async <T>(path: string, token = desk.org.ownerToken): Promise<T> => {
    const answer = await world.call('GET', REVIEWS + path, { token });
    assert.equal(answer.status, 200, answer.text);
    return answer.body as T;
  };

  const itemsOf = async ({ id }: Pick<ReviewBody, 'id'>, query = ''): Promise<readonly ItemBody[]> =>
    (await get<{ items: ItemBody[] }>(`/${id}/items${query}`)).items;

  const judge = async (
    { token }: Person,
    verb: 'keep' | 'revoke',
    { id }: ReviewBody,
    grantId: string,
  ): Promise<Answer> =>
    await world.call('POST', `${REVIEWS}/${id}/items/${grantId}/${verb}`, {
      token,
      body: { reason: '=They moved on.' },
    });

  const given = async (person: Pick<Person, 'id'>): Promise<string> =>
    await world.grant(desk.org, desk.grantTo(person));

  /** Until then nothing is due; then everything is. */
  const overdue = async (review: ReviewBody): Promise<void> => {
    while ((await get<ReviewBody>(`/${review.id}`)).state === 'open') await world.context.dueWork.run();
  };

  it('keep and take back what was frozen, each by somebody else, and end', async () => {
    const [one, other] = [await desk.newUser(), await desk.newUser()];
    const [kept, revoked] = [await given(one), await given(other)];
    const review = await started();
    const late = await given(await desk.newUser());
    const items = await itemsOf(review);
    assert.deepEqual(
      items.map(({ grantId }) => grantId),
      [kept, revoked],
    );
    assert.equal((await judge(reviewer, 'keep', review, kept)).status, 204);
    const answer = await judge(reviewer, 'revoke', review, revoked);
    assert.equal(answer.status, 204, answer.text);
    assert.deepEqual([await desk.holds(one), await desk.holds(other)], [1, 0]);
    assert.equal((await judge(reviewer, 'keep', review, late)).status, 404);
    for (const grantId of [kept, revoked])
      assert.equal(codeOf(await judge(reviewer, 'keep', review, grantId)), 'CONFLICT');
    const { state, progress } = await get<ReviewBody>(`/${review.id}`);
    assert.deepEqual([state, progress['kept'], progress['revoked'], progress['open']], ['closed', 1, 1, 0]);
    const entries = (await desk.audit()).map(({ entry }) => entry);
    const [closed, ...closedTwice] = entries.filter(({ action }) => action === 'review.closed');
    assert.deepEqual([closed?.target.id, closedTwice], [review.id, []]);
    const deleted = entries.find(({ action }) => action === 'grant.deleted');
    assert.equal((deleted as { approval_ref?: string } | undefined)?.approval_ref, `review:${review.id}`);
  });

  it('are of a role, a project or an organisation, and show who holds it through a group', async () => {
    const groupId = await desk.newGroup();
    const member = await desk.newUser([groupId]);
    const mapping = { groupId, role: 'viewer', scope: { projectId: desk.org.projectId } };
    await desk.post(desk.org.ownerToken, mapping, '/api/policy/v1/group-mappings');
    await given(await desk.newUser());
    const review = await started({ scope: { projectId: desk.org.projectId }, role: 'viewer' });
    const [item, ...others] = await itemsOf(review);
    assert.deepEqual([item?.grant['role'], item?.members, others.length], ['viewer', [member.id], 0]);
    assert.equal((await judge(reviewer, 'revoke', review, String(item?.grantId))).status, 204);
    const question = {
      orgId: desk.org.orgId,
      subjectId: member.id,
      action: 'flag:read',
      projectId: desk.org.projectId,
    };
    assert.equal((await world.check(question)).reason, 'NO_GRANT');
  });

  it('let nobody decide about what they hold, hold through a group, or gave', async () => {
    const groupId = await desk.newGroup();
    const holder = await desk.newUser();
    const member = await desk.newUser([groupId]);
    const own = await given(holder);
    const mapping = { groupId, role: 'viewer', scope: desk.live };
    const made = await desk.post(desk.org.ownerToken, mapping, '/api/policy/v1/group-mappings');
    const mapped = (made.body as { id: string }).id;
    const review = await started({ reviewers: [holder.id, member.id, desk.org.ownerId, reviewer.id] });
    assert.equal(codeOf(await judge(holder, 'keep', review, own)), 'SELF_APPROVAL');
    assert.equal(codeOf(await judge(member, 'keep', review, mapped)), 'SELF_APPROVAL');
    for (const grantId of [own, mapped])
      for (const verb of ['keep', 'revoke'] as const)
        assert.equal(codeOf(await judge(desk.owners[0], verb, review, grantId)), 'SELF_APPROVAL');
    const joined = await desk.newUser([groupId]);
    const again = await started({ reviewers: [joined.id, reviewer.id], role: 'release_manager' });
    assert.equal((await judge(joined, 'keep', again, own)).status, 204);
    assert.equal((await judge(desk.owners[2], 'keep', review, own)).status, 404);
    const denied = (await desk.audit()).filter(({ entry }) => entry.action === 'review-item.decision-refused');
    assert.equal(denied.length, 6);
  });

  it('let nobody decide about what they proposed or agreed to, whoever applied it', async () => {
    const [proposer, approver, applier] = desk.owners;
    const user = await desk.newUser();
    const proposal = await desk.proposed({ kind: 'grant.create', grant: desk.grantTo(user) }, proposer.token);
    await desk.done(approver.token, 'approve', proposal);
    const grantId = String((await desk.done(applier.token, 'apply', proposal)).resultId);
    const reviewers = [proposer.id, approver.id, applier.id];
    assert.equal(codeOf(await starting({ reviewers })), 'CONFLICT');
    const outsider = await desk.newUser();
    const review = await started({ reviewers: [...reviewers, outsider.id] });
    for (const involved of desk.owners)
      assert.equal(codeOf(await judge(involved, 'keep', review, grantId)), 'SELF_APPROVAL');
    assert.equal((await judge(outsider, 'keep', review, grantId)).status, 204);
  });

  it('take a grant back only by who could, and show what a rule refuses', async () => {
    const outsider = await desk.newUser();
    const grantId = await given(await desk.newUser());
    const review = await started({ reviewers: [outsider.id, reviewer.id] });
    assert.equal(codeOf(await judge(outsider, 'revoke', review, grantId)), 'PERMISSION_DENIED');
    await world.grant(desk.org, { ...desk.grantTo(reviewer), effect: 'deny', role: 'release_manager' });
    assert.equal(codeOf(await judge(reviewer, 'revoke', review, grantId)), 'ESCALATION');
    const [item] = await itemsOf(review);
    assert.deepEqual([item?.state, item?.failure], ['open', 'ESCALATION']);
    assert.equal((await judge(outsider, 'keep', review, grantId)).status, 204);
  });

  it('take back what nobody answered at the deadline, once, whoever looks first', async () => {
    const [one, other] = [await desk.newUser(), await desk.newUser()];
    await given(one);
    const kept = await given(other);
    const review = await started({ deadline: inTime(500) });
    assert.equal((await judge(reviewer, 'keep', review, kept)).status, 204);
    const replica = async (): Promise<void> => {
      while ((await get<ReviewBody>(`/${review.id}`)).state === 'open') await endDueReviews(world.context);
    };
    await Promise.all([replica(), replica(), replica()]);
    assert.deepEqual([await desk.holds(one), await desk.holds(other)], [0, 1]);
    const ended = (await desk.audit()).filter(({ entry }) => entry.action === 'grant.ended');
    assert.deepEqual(
      ended.map(({ entry }) => entry.reason),
      ['REVIEW_UNANSWERED'],
    );
    const [item] = await itemsOf(review, '?state=revoked');
    assert.deepEqual([item?.decidedBy, item?.failure], ['policy', 'UNANSWERED']);
    assert.equal(codeOf(await judge(reviewer, 'keep', review, String(item?.grantId))), 'CONFLICT');
  });

  it('of an organisation in which nothing can be changed hold up those of no other', async () => {
    const rule = { name: 'No both', roles: ['developer', 'viewer'] };
    const { orgId, ownerToken } = desk.org;
    assert.equal((await desk.post(ownerToken, rule, '/api/policy/v1/separation-rules')).status, 201);
    await given(await desk.newUser());
    const held = await started({ deadline: inTime(600) });
    const admin = new pg.Client({ connectionString: world.database.adminUrl });
    await admin.connect();
    try {
      await admin.query(`DELETE FROM policy.separation_rule_role WHERE org_id = $1 AND role_key = 'viewer'`, [orgId]);
      desk = await ProposalDesk.open(world);
      reviewer = desk.owners[1];
      const other = await desk.newUser();
      await given(other);
      await overdue(await started({ deadline: inTime(600) }));
      assert.equal(await desk.holds(other), 0);
      await assert.rejects(endDueReviews(world.context), { code: 'CONFLICT' });
      assert.equal((await get<ReviewBody>(`/${held.id}`, ownerToken)).state, 'open');
      await admin.query(
        `INSERT INTO policy.separation_rule_role SELECT org_id, rule_id, 'viewer'
                           FROM policy.separation_rule WHERE org_id = $1`,
        [orgId],
      );
      await endDueReviews(world.context);
      assert.equal((await get<ReviewBody>(`/${held.id}`, ownerToken)).state, 'closed');
    } finally {
      await admin.end();
    }
  });

  it('leave an organisation its last Owner, and say so', async () => {
    const review = await started({
      scope: {},
      role: 'owner',
      reviewers: desk.owners.map(({ id }) => id),
      deadline: inTime(600),
    });
    await overdue(review);
    const items = await itemsOf(review);
    assert.deepEqual(items.map(({ state }) => state).toSorted(), ['failed', 'revoked', 'revoked']);
    assert.equal(items.find(({ state }) => state === 'failed')?.failure, 'LAST_OWNER');
    const { items: left } = await desk.listed('', desk.owners.at(-1)?.token);
    assert.equal(left.filter(({ role }) => role === 'owner').length, 1);
  });

  it('close what has gone meanwhile', async () => {
    const grantId = await given(await desk.newUser());
    const review = await started();
    assert.equal((await desk.remove(desk.org.ownerToken, grantId)).status, 204);
    assert.equal((await judge(reviewer, 'revoke', review, grantId)).status, 404);
    await overdue(review);
    assert.equal((await itemsOf(review))[0]?.state, 'gone');
  });

  it('freeze large groups whole, beside others', async () => {
    const groups: { readonly id: string; readonly members: readonly string[] }[] = [];
    for (const size of [7_000, 2, 10_500, 3_000]) {
      const groupId = await desk.newGroup();
      const members = Array.from({ length: size }, () => newId());
      const subjects = members.map((subjectId) => ({ subjectId, groupIds: [groupId] }));
      await world.applied(desk.org.orgId, world.identity.commit(desk.org.orgId, subjects));
      const mapping = { groupId, role: 'viewer', scope: desk.live };
      const answer = await desk.post(desk.org.ownerToken, mapping, '/api/policy/v1/group-mappings');
      assert.equal(answer.status, 201, answer.text);
      groups.push({ id: (answer.body as { id: string }).id, members });
    }
    const direct = await given(await desk.newUser());
    const items = new Map((await itemsOf(await started())).map((item) => [item.grantId, item]));
    assert.deepEqual(new Set(items.keys()), new Set([...groups.map(({ id }) => id), direct]));
    for (const { id, members } of groups)
      assert.deepEqual((items.get(id)?.members ?? []).toSorted(), members.toSorted());
    assert.deepEqual(items.get(direct)?.members, []);
  });

  it('are started only by who could take everything back, with a neutral reviewer for each', async () => {
    const admin = await desk.holding('project_admin', { projectId: desk.org.projectId });
    await given(await desk.newUser());
    assert.equal(codeOf(await starting({ scope: {} }, admin.token)), 'PERMISSION_DENIED');
    assert.equal(codeOf(await starting({ reviewers: [desk.org.ownerId] })), 'CONFLICT');
    assert.equal((await starting({ reviewers: [newId()] })).status, 400);
    assert.equal((await starting({ deadline: inTime(-1) })).status, 400);
    assert.equal((await starting({ scope: { environmentId: newId() } })).status, 404);
    assert.equal(codeOf(await starting({ role: 'auditor' })), 'CONFLICT');
    assert.equal((await starting({}, admin.token)).status, 201);
    await world.grant(desk.org, { ...desk.grantTo(admin), effect: 'deny' });
    assert.equal(codeOf(await starting({}, admin.token)), 'ESCALATION');
  });

  it('can be called off; then nothing is taken back', async () => {
    const user = await desk.newUser();
    await given(user);
    const review = await started({ deadline: inTime(300) });
    const path = `${REVIEWS}/${review.id}/cancel`;
    assert.equal((await world.call('POST', path, { token: (await desk.holding('viewer')).token })).status, 403);
    assert.equal((await world.call('POST', path, { token: desk.org.ownerToken })).status, 200);
    while (new Date(review.deadline) > world.context.clock.now()) await world.context.dueWork.run();
    await world.context.dueWork.run();
    assert.equal(await desk.holds(user), 1);
    assert.equal(codeOf(await world.call('POST', path, { token: desk.org.ownerToken })), 'CONFLICT');
  });

  it('of a protected scope are started by more than one, and take back nothing without', async () => {
    const [one, other] = [await desk.newUser(), await desk.newUser()];
    const [grantId] = [await given(one), await given(other)];
    const alone = await started({ deadline: inTime(900) });
    await desk.protect();
    assert.equal(codeOf(await starting()), 'APPROVAL_REQUIRED');
    assert.equal(codeOf(await judge(reviewer, 'revoke', alone, grantId)), 'APPROVAL_REQUIRED');
    const proposal = await desk.proposed({ kind: 'review.start', review: wanted() });
    await desk.done(reviewer.token, 'approve', proposal);
    const { resultId } = await desk.done(desk.owners[0].token, 'apply', proposal);
    const review = await get<ReviewBody>(`/${String(resultId)}`);
    assert.equal(review.approvalRef, `proposal:${proposal.id}`);
    assert.equal((await judge(reviewer, 'revoke', review, grantId)).status, 204);
    await overdue(alone);
    const states = (await itemsOf(alone)).map(({ state, failure }) => `${state} ${String(failure)}`);
    assert.deepEqual(states.toSorted(), ['failed APPROVAL_REQUIRED', 'gone null']);
    assert.equal(await desk.holds(other), 1);
  });

  it('leave evidence: everything, with hashes, as JSON and as CSV no spreadsheet takes for a formula', async () => {
    const grantId = await given(await desk.newUser());
    const review = await started();
    const before = await get<{ hash: string }>(`/${review.id}/evidence`);
    await judge(reviewer, 'keep', review, grantId);
    const evidence = await get<{ hash: string; items: ItemBody[] }>(`/${review.id}/evidence`);
    assert.notEqual(evidence.hash, before.hash);
    const [item] = evidence.items;
    assert.deepEqual([item?.state, item?.decidedBy, item?.grantedBy], ['kept', reviewer.id, desk.org.ownerId]);
    const csv = await world.call('GET', `${REVIEWS}/${review.id}/evidence?format=csv`, { token: desk.org.ownerToken });
    assert.match(String(csv.headers.get('content-type')), /^text\/csv/);
    const lines = csv.text.trimEnd().split('\r\n');
    assert.equal(lines.length, 3);
    const [, row = '', summary = ''] = lines;
    assert.ok(row.includes(`,'=They moved on.,`) && row.endsWith(String(item?.hash)), csv.text);
    assert.ok(summary.endsWith(evidence.hash));
  });

  it('are seen by their reviewers and by who may see grants; another organisation has none of them', async () => {
    const outsider = await desk.newUser();
    const auditor = await desk.holding('auditor');
    const stranger = await desk.newUser();
    await given(await desk.newUser());
    const review = await started({ reviewers: [outsider.id] });
    const rival = await world.organization();
    const status = async (token: string, path: string): Promise<number> =>
      (await world.call('GET', REVIEWS + path, { token })).status;
    for (const path of [`/${review.id}`, `/${review.id}/items`, `/${review.id}/evidence`])
      assert.deepEqual(
        [await status(outsider.token, path), await status(auditor.token, path), await status(stranger.token, path)],
        [200, 200, 403],
      );
    assert.equal(await status(rival.ownerToken, `/${review.id}`), 404);
    const list = async (token: string, query = ''): Promise<number> =>
      (await get<{ items: unknown[] }>(query, token)).items.length;
    assert.deepEqual([await list(outsider.token), await list(stranger.token)], [1, 0]);
    assert.equal(await list(auditor.token, '?of=everybody&limit=1'), 1);
    assert.equal(await status(outsider.token, '?of=everybody'), 403);
  });
});
