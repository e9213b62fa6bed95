import assert from 'node:assert/strict';

import fc from 'fast-check';
import pg from 'pg';

import { applyProposal } from '../src/proposals/apply-proposal.ts';
import { whileAccessEnds } from './support/ending-access.ts';
import { codeOf, type Person } from './support/grant-desk.ts';
import { administratorAfter } from './support/meanwhile.ts';
import { PROPOSALS, ProposalDesk, type ProposalBody } from './support/proposal-desk.ts';
import { World } from './support/world.ts';

describe('proposals', () => {
  let world: World;
  let desk: ProposalDesk;

  before(async () => {
    world = await World.create();
  });
  beforeEach(async () => {
    desk = await ProposalDesk.open(world);
  });
  after(async () => {
    await world.dispose();
  });

  it('change what others agreed to, in one transaction, on the record', async () => {
    await desk.protect();
    const user = await desk.newUser();
    const proposal = await desk.proposed({ kind: 'grant.create', grant: desk.grantTo(user) });
    const early = await desk.act(desk.owners[0].token, 'apply', proposal);
    assert.deepEqual([early.status, codeOf(early), await desk.holds(user)], [409, 'APPROVAL_REQUIRED', 0]);
    await desk.done(desk.owners[1].token, 'approve', proposal);
    const { state, resultId } = await desk.done(desk.owners[0].token, 'apply', proposal);
    const { items } = await desk.listed(`?subjectId=${user.id}`);
    assert.deepEqual([state, items.map(({ id }) => id)], ['applied', [resultId]]);
    const entries = (await desk.audit()).map(({ entry }) => entry);
    const created = entries.find(({ action, target }) => action === 'grant.created' && target.id === resultId);
    assert.equal((created as { approval_ref?: string } | undefined)?.approval_ref, `proposal:${proposal.id}`);
    assert.deepEqual(
      entries.filter(({ target }) => target.id === proposal.id).map(({ action }) => action),
      ['proposal.applied', 'proposal.approved', 'proposal.apply-refused', 'proposal.created'],
    );
    const removal = await desk.proposed({ kind: 'grant.delete', grantId: String(resultId) }, desk.owners[1].token);
    await desk.done(desk.owners[2].token, 'approve', removal);
    await desk.done(desk.owners[1].token, 'apply', removal);
    assert.equal(await desk.holds(user), 0);
  });

  it('answer who applied what is then gone, and show it to who had a part in it', async () => {
    const scope = { projectId: desk.org.projectId };
    const [one, other] = [await desk.holding('project_admin', scope), await desk.holding('project_admin', scope)];
    const [colleague, outsider] = [await desk.holding('project_admin', scope), await desk.newUser()];
    const grantId = await world.grant(desk.org, desk.grantTo(await desk.newUser()));
    await desk.protect();
    const proposal = await desk.proposed({ kind: 'grant.delete', grantId }, one.token);
    await desk.done(other.token, 'approve', proposal);
    assert.equal((await desk.done(other.token, 'apply', proposal)).state, 'applied');
    // Where it was is known when what it was about is gone.
    for (const { token } of [one, other, colleague]) assert.equal((await desk.shown(proposal, token)).state, 'applied');
    const path = `${PROPOSALS}/${proposal.id}`;
    assert.equal(codeOf(await world.call('GET', path, { token: outsider.token })), 'PERMISSION_DENIED');
  });

  it('say how many others have to agree, as the protections are now, until they have ended', async () => {
    const proposal = await desk.proposed({ kind: 'grant.create', grant: desk.grantTo(await desk.newUser()) });
    assert.equal(proposal.requiredApprovals, 1);
    await desk.protect(2);
    assert.equal((await desk.shown(proposal)).requiredApprovals, 2);
    assert.equal((await desk.done(desk.owners[1].token, 'approve', proposal)).requiredApprovals, 2);
    const applied = { token: desk.owners[0].token, body: { hash: proposal.hash, comment: 'Lost.' } };
    assert.equal((await world.call('POST', `${PROPOSALS}/${proposal.id}/apply`, applied)).status, 400);
    assert.equal((await desk.done(desk.owners[2].token, 'reject', proposal)).requiredApprovals, null);
  });

  it('map groups, and end mappings', async () => {
    await desk.protect();
    const groupId = await desk.newGroup();
    const member = await desk.newUser([groupId]);
    const mapping = { groupId, role: 'release_manager', scope: { projectId: desk.org.projectId } };
    const proposal = await desk.proposed({ kind: 'mapping.create', mapping });
    await desk.done(desk.owners[1].token, 'approve', proposal);
    const { resultId } = await desk.done(desk.owners[1].token, 'apply', proposal);
    const question = {
      orgId: desk.org.orgId,
      subjectId: member.id,
      action: 'flag:toggle',
      environmentId: desk.org.liveId,
    };
    assert.equal((await world.check(question)).reason, 'GRANTED');
    const removal = await desk.proposed({ kind: 'mapping.delete', mappingId: String(resultId) });
    await desk.done(desk.owners[2].token, 'approve', removal);
    await desk.done(desk.owners[0].token, 'apply', removal);
    assert.equal((await world.check(question)).reason, 'NO_GRANT');
  });

  it('are not approved by who proposed, nor twice by the same person', async () => {
    await desk.protect(2);
    const proposal = await desk.proposed({ kind: 'grant.create', grant: desk.grantTo(await desk.newUser()) });
    assert.equal(codeOf(await desk.act(desk.owners[0].token, 'approve', proposal)), 'SELF_APPROVAL');
    await desk.done(desk.owners[1].token, 'approve', proposal);
    assert.equal(codeOf(await desk.act(desk.owners[1].token, 'approve', proposal)), 'ALREADY_EXISTS');
    assert.equal(codeOf(await desk.act(desk.owners[1].token, 'apply', proposal)), 'APPROVAL_REQUIRED');
    await desk.done(desk.owners[2].token, 'approve', proposal);
    assert.equal((await desk.done(desk.owners[1].token, 'apply', proposal)).state, 'applied');
  });

  it('of a machine are not approved by who is behind it, nor by machines', async () => {
    await desk.protect();
    const machine = async (sponsor: Person): Promise<Person> => {
      const id = (await desk.newUser()).id.replace(/^.{8}/, 'bbbbbbbb');
      const token = `machine-${id}`;
      world.identity.allow(token, { orgId: desk.org.orgId, subjectId: id, type: 2, sponsorSubjectIds: [sponsor.id] });
      await world.applied(desk.org.orgId, world.identity.commit(desk.org.orgId, [{ subjectId: id, type: 2 }]));
      return { id, token };
    };
    const [one, other] = [await machine(desk.owners[1]), await machine(desk.owners[2])];
    for (const { id } of [one, other]) {
      const grant = { subject: { type: 'service_account', id }, role: 'owner' };
      const proposal = await desk.proposed({ kind: 'grant.create', grant });
      await desk.done(desk.owners[1].token, 'approve', proposal);
      await desk.done(desk.owners[0].token, 'apply', proposal);
    }
    const proposal = await desk.proposed(
      { kind: 'grant.create', grant: desk.grantTo(await desk.newUser()) },
      one.token,
    );
    assert.equal(codeOf(await desk.act(desk.owners[1].token, 'approve', proposal)), 'SELF_APPROVAL');
    assert.equal(codeOf(await desk.act(other.token, 'approve', proposal)), 'SELF_APPROVAL');
    await desk.done(desk.owners[2].token, 'approve', proposal);
    assert.equal((await desk.done(one.token, 'apply', proposal)).state, 'applied');
  });

  it('are neither made, approved nor applied by who could not make the change', async () => {
    await desk.protect();
    const admin = await desk.newUser();
    const viewer = await desk.newUser();
    for (const [{ id }, role] of [
      [admin, 'project_admin'],
      [viewer, 'viewer'],
    ] as const) {
      const proposal = await desk.proposed({
        kind: 'grant.create',
        grant: { subject: { type: 'user', id }, role, scope: { projectId: desk.org.projectId } },
      });
      await desk.done(desk.owners[1].token, 'approve', proposal);
      await desk.done(desk.owners[0].token, 'apply', proposal);
    }
    const user = await desk.newUser();
    const owner = { kind: 'grant.create', grant: { subject: { type: 'user', id: user.id }, role: 'owner' } };
    assert.equal(
      codeOf(await desk.proposing(viewer.token, { kind: 'grant.create', grant: desk.grantTo(user) })),
      'PERMISSION_DENIED',
    );
    assert.equal(codeOf(await desk.proposing(admin.token, owner)), 'PERMISSION_DENIED');
    assert.equal(
      codeOf(await desk.proposing(admin.token, { kind: 'grant.create', grant: desk.grantTo(admin) })),
      'ESCALATION',
    );
    const proposal = await desk.proposed(owner);
    for (const verb of ['approve', 'reject', 'apply'] as const)
      assert.equal(codeOf(await desk.act(admin.token, verb, proposal)), 'PERMISSION_DENIED', verb);
    const own = await desk.proposed({ kind: 'grant.create', grant: desk.grantTo(admin) });
    assert.equal(codeOf(await desk.act(admin.token, 'approve', own)), 'ESCALATION');
    await desk.done(desk.owners[1].token, 'approve', own);
    assert.equal(codeOf(await desk.act(admin.token, 'apply', own)), 'ESCALATION');
    assert.equal((await desk.shown(own)).state, 'in_review');
    assert.equal((await desk.done(desk.owners[2].token, 'apply', own)).state, 'applied');
  });

  it('lose their approvals when they are edited, also when edited back', async () => {
    await desk.protect();
    const [user, other] = [await desk.newUser(), await desk.newUser()];
    const first = { kind: 'grant.create', grant: desk.grantTo(user) };
    const proposal = await desk.proposed(first);
    await desk.done(desk.owners[1].token, 'approve', proposal);
    let revised = proposal;
    for (const change of [{ kind: 'grant.create', grant: desk.grantTo(other) }, first]) {
      const body = { change, reason: 'On call from Monday.' };
      const path = `${PROPOSALS}/${proposal.id}`;
      assert.equal((await world.call('PUT', path, { token: desk.owners[1].token, body })).status, 404);
      const answer = await world.call('PUT', path, { token: desk.owners[0].token, body });
      assert.equal(answer.status, 200, answer.text);
      revised = answer.body as ProposalBody;
      assert.deepEqual(revised.approvals, []);
      assert.notEqual(revised.hash, proposal.hash);
      assert.equal(codeOf(await desk.act(desk.owners[0].token, 'apply', revised)), 'APPROVAL_REQUIRED');
      assert.equal(codeOf(await desk.act(desk.owners[2].token, 'approve', proposal)), 'HASH_MISMATCH');
    }
    await desk.done(desk.owners[1].token, 'approve', revised);
    assert.equal((await desk.done(desk.owners[0].token, 'apply', revised)).state, 'applied');
    assert.deepEqual([await desk.holds(user), await desk.holds(other)], [1, 0]);
  });

  it('lose the approvals of those who could no longer agree, and end with who proposed', async () => {
    await desk.protect();
    const change = { kind: 'grant.create', grant: desk.grantTo(await desk.newUser()) };
    const proposal = await desk.proposed(change);
    await desk.done(desk.owners[1].token, 'approve', proposal);
    await desk.ended(desk.owners[1], false);
    assert.equal(codeOf(await desk.act(desk.owners[0].token, 'apply', proposal)), 'APPROVAL_REQUIRED');
    // Brought back they could agree again, but their agreement was of another time.
    await desk.ended(desk.owners[1], true);
    assert.equal(codeOf(await desk.act(desk.owners[0].token, 'apply', proposal)), 'APPROVAL_REQUIRED');
    await desk.done(desk.owners[2].token, 'approve', proposal);
    await desk.ended(desk.owners[0], true);
    assert.equal((await desk.act(desk.owners[2].token, 'apply', proposal)).status, 409);
    const { body } = await world.call('GET', `${PROPOSALS}/${proposal.id}`, { token: desk.owners[2].token });
    assert.equal((body as ProposalBody).state, 'cancelled');
  });

  it('count nobody whose role has gone since, and need who proposed to have theirs', async () => {
    const demote = async ({ id }: Person, proposer: Person, approver: Person): Promise<void> => {
      const grantId = (await desk.listed(`?subjectId=${id}`, proposer.token)).items[0]?.id;
      const proposal = await desk.proposed({ kind: 'grant.delete', grantId }, proposer.token);
      await desk.done(approver.token, 'approve', proposal);
      await desk.done(proposer.token, 'apply', proposal);
    };
    await desk.protect();
    const user = await desk.newUser();
    const proposal = await desk.proposed({ kind: 'grant.create', grant: desk.grantTo(user) }, desk.owners[1].token);
    await desk.done(desk.owners[2].token, 'approve', proposal);
    const fourth = await desk.newUser();
    const grant = { subject: { type: 'user', id: fourth.id }, role: 'owner' };
    const promotion = await desk.proposed({ kind: 'grant.create', grant });
    await desk.done(desk.owners[1].token, 'approve', promotion);
    await desk.done(desk.owners[0].token, 'apply', promotion);
    await demote(desk.owners[2], desk.owners[0], fourth);
    assert.equal(codeOf(await desk.act(desk.owners[0].token, 'apply', proposal)), 'APPROVAL_REQUIRED');
    await desk.done(desk.owners[0].token, 'approve', proposal);
    await demote(desk.owners[1], desk.owners[0], fourth);
    const refused = await desk.act(desk.owners[0].token, 'apply', proposal);
    assert.deepEqual([codeOf(refused), await desk.holds(user)], ['CONFLICT', 0]);
  });

  it('change nothing when the access of who proposed or agreed ends before the commit', async () => {
    await desk.protect();
    const user = await desk.newUser();
    const { id: proposalId, hash, ...rest } = await desk.proposed({ kind: 'grant.create', grant: desk.grantTo(user) });
    await desk.done(desk.owners[1].token, 'approve', { id: proposalId, hash, ...rest });
    const administrator = administratorAfter(desk.org, desk.owners[2].id, {
      validForMs: 10_000,
      decidedAtMonotonicMs: world.context.clock.monotonicMs(),
    });
    for (const { id } of [desk.owners[0], desk.owners[1]]) {
      const applying = applyProposal(whileAccessEnds(world.context, id), administrator, { proposalId, hash });
      await assert.rejects(applying, { code: 'DECISION_EXPIRED' });
      assert.equal(await desk.holds(user), 0);
    }
    await applyProposal(whileAccessEnds(world.context, user.id), administrator, { proposalId, hash });
    assert.equal(await desk.holds(user), 1);
  });

  it('are stale when what they change has changed', async () => {
    const user = await desk.newUser();
    const protectionId = await desk.protect(2);
    const weaker = await desk.proposed({ kind: 'protection.change', protectionId, requiredApprovals: 1 });
    await desk.done(desk.owners[1].token, 'approve', weaker);
    await desk.done(desk.owners[2].token, 'approve', weaker);
    const lift = await desk.proposed({ kind: 'protection.change', protectionId, requiredApprovals: 0 });
    await desk.done(desk.owners[1].token, 'approve', lift);
    await desk.done(desk.owners[2].token, 'approve', lift);
    await desk.done(desk.owners[0].token, 'apply', weaker);
    assert.equal(codeOf(await desk.act(desk.owners[0].token, 'apply', lift)), 'STALE_BASE');
    const proposal = await desk.proposed({ kind: 'grant.create', grant: desk.grantTo(user) });
    await desk.done(desk.owners[1].token, 'approve', proposal);
    const position = world.identity.commit(desk.org.orgId, [{ subjectId: user.id, active: true, epoch: 3n }]);
    await world.applied(desk.org.orgId, position);
    assert.equal(codeOf(await desk.act(desk.owners[0].token, 'apply', proposal)), 'STALE_BASE');
  });

  it('about what is gone are ended by who could have agreed there, and by nobody else', async () => {
    const scope = { projectId: desk.org.projectId };
    const [admin, outsider] = [await desk.holding('project_admin', scope), await desk.newUser()];
    const grantId = await world.grant(desk.org, desk.grantTo(await desk.newUser()));
    const proposal = await desk.proposed({ kind: 'grant.delete', grantId });
    assert.equal((await desk.remove(desk.org.ownerToken, grantId)).status, 204);
    assert.equal(codeOf(await desk.act(outsider.token, 'reject', proposal)), 'PERMISSION_DENIED');
    assert.equal(codeOf(await desk.act(admin.token, 'apply', proposal)), 'STALE_BASE');
    assert.equal((await desk.done(admin.token, 'reject', proposal)).state, 'rejected');
  });

  it('are seen by who may see grants; another organisation has none of them', async () => {
    const proposal = await desk.proposed({ kind: 'grant.create', grant: desk.grantTo(await desk.newUser()) });
    const stranger = await desk.newUser();
    const get = async (token: string, path = `/${proposal.id}`): Promise<number> =>
      (await world.call('GET', PROPOSALS + path, { token })).status;
    const rival = await world.organization();
    assert.deepEqual(
      [await get(desk.owners[1].token), await get(stranger.token), await get(rival.ownerToken)],
      [200, 403, 404],
    );
    assert.deepEqual(
      [
        await get(stranger.token, ''),
        await get(stranger.token, '?of=everybody'),
        await get(desk.owners[1].token, '/x'),
      ],
      [200, 403, 404],
    );
    assert.equal((await desk.act(rival.ownerToken, 'approve', proposal)).status, 404);
    assert.equal((await desk.act(desk.owners[1].token, 'cancel', proposal)).status, 404);
    assert.equal((await desk.done(desk.owners[0].token, 'cancel', proposal)).state, 'cancelled');
    assert.equal(codeOf(await desk.act(desk.owners[1].token, 'approve', proposal)), 'CONFLICT');
  });

  it('are found by who could agree to them, where they may see the grants, and by what has become of them', async () => {
    const { orgId, projectId, liveId } = desk.org;
    const user = await desk.newUser();
    const give = async (scope: object): Promise<string> =>
      (await desk.proposed({ kind: 'grant.create', grant: desk.grantTo(user, { role: 'viewer', scope }) })).id;
    const everywhere = await give({});
    const inProject = await give({ projectId });
    const inLive = await give({ environmentId: liveId });
    const list = async (token: string, query: string): Promise<readonly string[] | string> => {
      const { status, body } = await world.call('GET', `${PROPOSALS}?of=everybody${query}`, { token });
      return status === 200 ? (body as { items: { id: string }[] }).items.map(({ id }) => id) : String(status);
    };
    const admin = await desk.holding('project_admin', { projectId });
    const seen = await Promise.all(
      ['', `&projectId=${projectId}`, `&environmentId=${liveId}`, `&environmentId=${desk.org.stagingId}`].map(
        async (query) => [await list(desk.owners[1].token, query), await list(admin.token, query)],
      ),
    );
    assert.deepEqual(seen, [
      [[everywhere, inProject, inLive], '403'],
      [
        [inProject, inLive],
        [inProject, inLive],
      ],
      [[inLive], [inLive]],
      [[], []],
    ]);
    assert.equal(await list(admin.token, `&projectId=${orgId}`), '404');

    const revised = { change: { kind: 'grant.create', grant: desk.grantTo(user, { scope: {} }) }, reason: 'Wider.' };
    await world.call('PUT', `${PROPOSALS}/${inLive}`, { token: desk.owners[0].token, body: revised });
    assert.deepEqual(await list(admin.token, `&projectId=${projectId}`), [inProject]);

    await desk.done(desk.owners[0].token, 'cancel', await desk.shown({ id: inProject }));
    const database = new pg.Client({ connectionString: world.database.adminUrl });
    await database.connect();
    await database.query('UPDATE policy.proposal SET expires_at = now() WHERE proposal_id = $1', [inLive]);
    await database.end();
    const gone = await give({ projectId });
    const states = ['in_review', 'cancelled', 'expired', 'applied', 'rejected'];
    const byState = async (token = desk.owners[1].token, query = '') =>
      await Promise.all(states.map(async (state) => await list(token, `&state=${state}${query}`)));
    assert.deepEqual(await byState(admin.token, `&projectId=${projectId}`), [[gone], [inProject], [], [], []]);
    assert.deepEqual(await byState(), [[everywhere, gone], [inProject], [inLive], [], []]);
    // Of whoever is removed, nothing stays in review.
    await desk.ended(desk.owners[0], false);
    assert.deepEqual(await byState(), [[], [everywhere, inProject, inLive, gone], [], [], []]);
  });

  it('are applied once, and only what others agreed to, whatever happens at once', async () => {
    await desk.protect();
    const model = fc.array(
      fc.record({
        verb: fc.constantFrom('approve', 'approve', 'apply', 'apply', 'edit', 'reject' as const),
        who: fc.nat({ max: 2 }),
        isLate: fc.boolean(),
      }),
      { minLength: 2, maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(model, fc.boolean(), async (steps, isConcurrent) => {
        const user = await desk.newUser();
        const path = PROPOSALS;
        const change = { kind: 'grant.create', grant: desk.grantTo(user) };
        let current = await desk.proposed(change);
        const known = [current];
        const run = async ({ verb, who, isLate }: (typeof steps)[number]): Promise<void> => {
          const { token } = desk.owners[who] ?? desk.owners[0];
          const seen = isLate ? known[0] : current;
          if (seen === undefined) return;
          if (verb !== 'edit') {
            const { status } = await desk.act(token, verb, seen);
            assert.ok(who !== 0 || verb !== 'approve' || status >= 400, 'approved by who proposed it');
            return;
          }
          const body = { change, reason: 'Another reason.' };
          const answer = await world.call('PUT', `${path}/${current.id}`, { token: desk.owners[0].token, body });
          if (answer.status === 200) known.push((current = answer.body as ProposalBody));
        };
        if (isConcurrent) await Promise.all(steps.map(run));
        else for (const step of steps) await run(step);
        const { state, resultId, approvals } = await desk.shown(current);
        const { items } = await desk.listed(`?subjectId=${user.id}`);
        assert.deepEqual(
          items.map(({ id }) => id),
          state === 'applied' ? [resultId] : [],
        );
        if (state === 'applied') assert.ok(approvals.some(({ approver }) => approver !== desk.owners[0].id));
        assert.ok(approvals.every(({ approver }) => approver !== desk.owners[0].id));
      }),
      { numRuns: 25 },
    );
  });
});
