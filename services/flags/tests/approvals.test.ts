import assert from 'node:assert/strict';

import { act, arrange, ok, PROJECT, requestToggle, stateIn } from './support/scenario.ts';
import { organizationForEachTest } from './support/suite.ts';
import type { Organization, World } from './support/world.ts';

const RULES = [{ when: [{ attribute: 'plan', operator: 'equals', value: 'pro' }], serve: { variant: 'on' } }];

describe('approvals', () => {
  let world: World;
  let org: Organization;

  const opened = organizationForEachTest();
  beforeEach(() => {
    ({ world, org } = opened());
  });

  describe('an approval', () => {
    it('is void once the change is edited (Flagsmith#7056)', async () => {
      const { releaseManager, approver } = await arrange(org);
      const change = await requestToggle(releaseManager);
      ok(await act(approver, change.id, 'approve', { hash: change.hash }), 200);
      const edit = { kind: 'set-targeting', flag: 'checkout', environment: 'production', rules: RULES };
      const path = `${PROJECT}/changes/${change.id}`;
      const edited = ok(await releaseManager.call('PATCH', path, { changes: [edit] }), 200).body;
      assert.notEqual(edited.hash, change.hash);
      assert.equal(edited.state, 'in_review');
      assert.equal(edited.revision, 2);
      assert.deepEqual(edited.reviews, []);
      assert.equal((await act(releaseManager, change.id, 'apply')).body.code, 'APPROVAL_REQUIRED');
      const stale = await act(approver, change.id, 'approve', { hash: change.hash });
      assert.equal(stale.status, 409);
      assert.equal(stale.body.code, 'HASH_MISMATCH');
      assert.deepEqual(ok(await approver.call('GET', path), 200).body.reviews, []);
    });

    it('survives a correction of title and description, which it is not bound to', async () => {
      const { releaseManager, approver } = await arrange(org);
      const change = await requestToggle(releaseManager);
      ok(await act(approver, change.id, 'approve', { hash: change.hash }), 200);
      const path = `${PROJECT}/changes/${change.id}`;
      const { body } = ok(await releaseManager.call('PATCH', path, { title: 'Better words' }), 200);
      assert.equal(body.hash, change.hash);
      assert.equal(body.state, 'approved');
    });

    it('cannot be given by the author, Owner or not, nor through another credential of theirs', async () => {
      const { owner } = await arrange(org);
      const change = await requestToggle(owner);
      const otherCredential = org.credentialOf(owner.account);
      for (const self of [owner, otherCredential])
        for (const verdict of ['approve', 'request-changes', 'reject']) {
          const answer = await act(self, change.id, verdict, { hash: change.hash });
          assert.equal(answer.status, 403, verdict);
          assert.equal(answer.body.code, 'SELF_APPROVAL');
        }
      assert.equal((await act(owner, change.id, 'apply')).body.code, 'APPROVAL_REQUIRED');
      const refusals = (await org.audit()).filter(({ action }) => action === 'change.review-refused');
      assert.equal(refusals.length, 6);
    });

    it('cannot be given by anybody who wrote a revision, also when the first author would approve theirs', async () => {
      const { releaseManager, approver } = await arrange(org);
      const change = await requestToggle(releaseManager);
      const edit = { kind: 'set-targeting', flag: 'checkout', environment: 'production', rules: RULES };
      const path = `${PROJECT}/changes/${change.id}`;
      const { hash } = ok(await approver.call('PATCH', path, { changes: [edit] }), 200).body;
      for (const writer of [releaseManager, approver])
        assert.equal((await act(writer, change.id, 'approve', { hash })).body.code, 'SELF_APPROVAL');
    });

    it('cannot be given by the people behind a machine that wrote a revision (owner, issuer of its token)', async () => {
      const { releaseManager, approver, owner } = await arrange(org);
      const sponsors = [approver.id, owner.id];
      const robot = org.person('releaseManager', { type: 'service_account', sponsors });
      const change = await requestToggle(robot);
      for (const sponsor of [approver, owner])
        for (const verdict of ['approve', 'request-changes'])
          assert.equal((await act(sponsor, change.id, verdict, { hash: change.hash })).body.code, 'SELF_APPROVAL');
      assert.equal((await act(owner, change.id, 'apply')).body.code, 'APPROVAL_REQUIRED');
      ok(await act(org.person('releaseManager'), change.id, 'approve', { hash: change.hash }), 200);

      const theirs = await requestToggle(releaseManager);
      const edit = { kind: 'set-targeting', flag: 'checkout', environment: 'production', rules: RULES };
      const edited = ok(await robot.call('PATCH', `${PROJECT}/changes/${theirs.id}`, { changes: [edit] }), 200).body;
      assert.equal((await act(approver, theirs.id, 'approve', { hash: edited.hash })).body.code, 'SELF_APPROVAL');
    });

    it('is refused by PostgreSQL too when it comes from behind a machine', async () => {
      const { approver } = await arrange(org);
      const robot = org.person('releaseManager', { type: 'service_account', sponsors: [approver.id] });
      const change = await requestToggle(robot);
      const refused = world.asService(
        org.id,
        `SELECT record_review($1, $2, decode($3, 'hex'), jsonb_build_object('reviewerId', $4::text, 'reviewerType', 'user',
           'verdict', 'approve', 'environments', '[]'::jsonb, 'comment', ''), now())`,
        [org.id, change.id, change.hash, approver.id],
      );
      await assert.rejects(refused, { code: 'FLSLF' });
    });

    it('cannot be given by a service account, which may still object', async () => {
      const { releaseManager } = await arrange(org);
      const change = await requestToggle(releaseManager);
      const robot = org.person('releaseManager', { type: 'service_account' });
      const answer = await act(robot, change.id, 'approve', { hash: change.hash });
      assert.deepEqual([answer.status, answer.body.code], [403, 'SELF_APPROVAL']);
      const review = {
        reviewerId: robot.id,
        reviewerType: 'service_account',
        verdict: 'approve',
        environments: [],
        comment: '',
      };
      const record = 'SELECT record_review($1, $2, $3, $4, now())';
      const values = [org.id, change.id, Buffer.from(change.hash, 'hex'), JSON.stringify(review)];
      await assert.rejects(world.asService(org.id, record, values), { code: '23514' });
      ok(await act(robot, change.id, 'request-changes', { hash: change.hash }), 200);
      assert.equal((await act(releaseManager, change.id, 'apply')).body.code, 'APPROVAL_REQUIRED');
      const refusals = (await org.audit()).filter(({ action }) => action === 'change.review-refused');
      assert.equal(refusals.length, 1);
    });

    it('is void once the approval rule of an environment has changed', async () => {
      const { owner, releaseManager, approver } = await arrange(org);
      const change = await requestToggle(releaseManager);
      ok(await act(approver, change.id, 'approve', { hash: change.hash }), 200);
      ok(await owner.call('PATCH', `${PROJECT}/environments/production`, { requiredApprovals: 2 }), 200);
      assert.equal((await act(releaseManager, change.id, 'apply')).body.code, 'STALE_BASE');
    });

    it('counts only for environments its giver may review', async () => {
      const { owner, releaseManager } = await arrange(org);
      const canary = { key: 'canary', name: 'Canary', tier: 'production', protected: true, requiredApprovals: 1 };
      ok(await owner.call('POST', `${PROJECT}/environments`, canary), 201);
      const flag = { key: 'wide', type: 'boolean', variants: { on: true } };
      const { change } = ok(await releaseManagerWithCreate().call('POST', `${PROJECT}/flags`, flag), 202).body;
      const half = org.person('reviewer');
      world.policy.grants.set(half.id, (permission, where) =>
        permission === 'change:review' ? where.environmentKey === 'canary' : permission.endsWith(':read'),
      );
      const { body } = ok(await act(half, change.id, 'approve', { hash: change.hash }), 200);
      assert.equal(body.state, 'in_review');
      assert.deepEqual(
        body.approvals.map(({ environment, counted }) => [environment, counted]),
        [
          ['production', 0],
          ['canary', 1],
        ],
      );
      assert.equal((await act(releaseManager, change.id, 'apply')).body.code, 'APPROVAL_REQUIRED');

      function releaseManagerWithCreate() {
        world.policy.grants.set(releaseManager.id, () => true);
        return releaseManager;
      }
    });

    it('needs the permission, and says which is missing', async () => {
      const { releaseManager, developer } = await arrange(org);
      const change = await requestToggle(releaseManager);
      const answer = await act(developer, change.id, 'approve', { hash: change.hash });
      assert.equal(answer.status, 403);
      assert.equal(answer.body.metadata['permission'], 'change:review');
      assert.equal(answer.body.metadata['environment'], 'production');
    });
  });

  describe('applying', () => {
    it('happens exactly once however many try', async () => {
      const { releaseManager, approver } = await arrange(org);
      const change = await requestToggle(releaseManager);
      ok(await act(approver, change.id, 'approve', { hash: change.hash }), 200);
      const people = [releaseManager, approver, releaseManager, approver, releaseManager];
      const answers = await Promise.all(people.map(async (person) => await act(person, change.id, 'apply')));
      assert.equal(answers.filter(({ status }) => status === 200).length, 1);
      assert.ok(answers.filter(({ status }) => status !== 200).every(({ body }) => body.code === 'CONFLICT'));
      const applied = (await org.audit()).filter(({ action }) => action === 'change.applied');
      assert.equal(applied.length, 1);
    });

    it('refuses a base that has moved, and says so from then on', async () => {
      const { releaseManager, approver } = await arrange(org);
      const [first, second] = [await requestToggle(releaseManager), await requestToggle(releaseManager)];
      for (const change of [first, second]) ok(await act(approver, change.id, 'approve', { hash: change.hash }), 200);
      ok(await act(releaseManager, first.id, 'apply'), 200);
      assert.equal((await act(releaseManager, second.id, 'apply')).body.code, 'STALE_BASE');
      const path = `${PROJECT}/changes/${second.id}`;
      assert.equal(ok(await approver.call('GET', path), 200).body.state, 'stale');
      assert.equal((await act(approver, second.id, 'approve', { hash: second.hash })).body.code, 'CONFLICT');
      const off = { kind: 'set-state', flag: 'checkout', environment: 'production', state: 'DISABLED' };
      assert.equal(ok(await releaseManager.call('PATCH', path, { changes: [off] }), 200).body.state, 'in_review');
    });

    it('refuses when the flag itself was edited meanwhile', async () => {
      const { owner, releaseManager, approver } = await arrange(org);
      const target = await requestToggle(releaseManager);
      const edit = ok(await owner.call('PATCH', `${PROJECT}/flags/checkout`, { description: 'x' }), 202).body.change;
      for (const change of [target, edit]) ok(await act(approver, change.id, 'approve', { hash: change.hash }), 200);
      ok(await act(owner, edit.id, 'apply'), 200);
      assert.equal((await act(releaseManager, target.id, 'apply')).body.code, 'STALE_BASE');
    });

    it('asks policy again: an approval of somebody deactivated since does not count', async () => {
      const { releaseManager, approver } = await arrange(org);
      const change = await requestToggle(releaseManager);
      ok(await act(approver, change.id, 'approve', { hash: change.hash }), 200);
      approver.account.active = false;
      assert.equal((await act(releaseManager, change.id, 'apply')).body.code, 'APPROVAL_REQUIRED');
      assert.equal(await stateIn(releaseManager, 'production'), 'DISABLED');
      const path = `${PROJECT}/changes/${change.id}`;
      assert.equal(ok(await releaseManager.call('GET', path), 200).body.state, 'in_review');
      assert.ok((await org.audit()).some(({ action }) => action === 'change.approval-lapsed'));
    });

    it('does not count what somebody did before their access ended, also when they are back (revocation.md §5)', async () => {
      const { owner, releaseManager, approver } = await arrange(org);
      const [reviewed, written] = [await requestToggle(owner), await requestToggle(approver)];
      ok(await act(approver, reviewed.id, 'approve', { hash: reviewed.hash }), 200);
      ok(await act(releaseManager, written.id, 'approve', { hash: written.hash }), 200);
      approver.account.epoch += 1n;
      assert.equal((await act(releaseManager, reviewed.id, 'apply')).body.code, 'APPROVAL_REQUIRED');
      const answer = await act(releaseManager, written.id, 'apply');
      assert.equal(answer.body.code, 'CONFLICT');
      assert.equal(answer.body.metadata['reason'], 'SUBJECT_REVOKED');
      assert.equal(await stateIn(releaseManager, 'production'), 'DISABLED');
      const again = org.credentialOf(approver.account);
      ok(await act(again, reviewed.id, 'approve', { hash: reviewed.hash }), 200);
      ok(await act(releaseManager, reviewed.id, 'apply'), 200);
    });

    it('asks policy again: an approval of somebody who may not review any more does not count', async () => {
      const { releaseManager, approver } = await arrange(org);
      const change = await requestToggle(releaseManager);
      ok(await act(approver, change.id, 'approve', { hash: change.hash }), 200);
      world.policy.grants.set(approver.id, (permission) => permission.endsWith(':read'));
      assert.equal((await act(releaseManager, change.id, 'apply')).body.code, 'APPROVAL_REQUIRED');
    });

    it('asks policy again: the author must still be somebody who may make the change', async () => {
      const { owner, releaseManager, approver } = await arrange(org);
      const change = await requestToggle(releaseManager);
      ok(await act(approver, change.id, 'approve', { hash: change.hash }), 200);
      releaseManager.account.active = false;
      const answer = await act(owner, change.id, 'apply');
      assert.equal(answer.body.code, 'CONFLICT');
      assert.equal(answer.body.metadata['reason'], 'SUBJECT_REVOKED');
      assert.equal(await stateIn(owner, 'production'), 'DISABLED');
    });

    it('needs change:apply', async () => {
      const { releaseManager, approver } = await arrange(org);
      const reviewer = org.person('reviewer');
      const change = await requestToggle(releaseManager);
      ok(await act(approver, change.id, 'approve', { hash: change.hash }), 200);
      const answer = await act(reviewer, change.id, 'apply');
      assert.equal(answer.status, 403);
      assert.equal(answer.body.metadata['permission'], 'change:apply');
    });
  });
});
