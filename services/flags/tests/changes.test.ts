import assert from 'node:assert/strict';

import { act, arrange, ok, PROJECT, requestToggle, stateIn, toggle } from './support/scenario.ts';
import { organizationForEachTest } from './support/suite.ts';
import type { Organization, World } from './support/world.ts';

describe('change sets', () => {
  let world: World;
  let org: Organization;

  const opened = organizationForEachTest();
  beforeEach(() => {
    ({ world, org } = opened());
  });

  describe('where no approval is demanded', () => {
    it('apply at once, as a numbered version', async () => {
      const { developer } = await arrange(org);
      const answer = ok(await toggle(developer, 'staging', 'ENABLED'), 200);
      assert.equal(answer.body.status, 'applied');
      assert.equal(answer.body.flag.environments['staging']?.state, 'ENABLED');
      assert.equal(answer.body.flag.environments['staging']?.version, 2);
      assert.equal(await stateIn(developer, 'production'), 'DISABLED');
    });

    it('write nothing when it is as wanted already', async () => {
      const { developer } = await arrange(org);
      const before = await org.audit();
      const answer = ok(await toggle(developer, 'staging', 'DISABLED'), 200);
      assert.equal(answer.body.status, 'unchanged');
      assert.equal(answer.body.flag.environments['staging']?.version, 1);
      assert.equal((await org.audit()).length, before.length);
    });

    it('refuse a base version that is not the current one', async () => {
      const { developer } = await arrange(org);
      ok(await toggle(developer, 'staging', 'ENABLED'), 200);
      const path = `${PROJECT}/flags/checkout/environments/staging`;
      const answer = await developer.call('PATCH', path, { state: 'DISABLED', baseVersion: 1 });
      assert.equal(answer.status, 409);
      assert.equal(answer.body.code, 'STALE_BASE');
      ok(await developer.call('PATCH', path, { state: 'DISABLED', baseVersion: 2 }), 200);
    });

    it('let exactly one of concurrent writers on the same base win', async () => {
      const { developer } = await arrange(org);
      const answers = await Promise.all(
        Array.from({ length: 8 }, async () => await toggle(developer, 'staging', 'ENABLED')),
      );
      const statuses = answers.map(({ status, body }) => (status === 200 ? body.status : body.code));
      assert.equal(statuses.filter((status) => status === 'applied').length, 1, statuses.join());
      assert.ok(statuses.every((status) => ['applied', 'unchanged', 'STALE_BASE'].includes(status)));
    });

    it('take all changes of a set or none', async () => {
      const { developer } = await arrange(org);
      const change = (variant: string) => ({
        title: 'Both',
        changes: [
          { kind: 'set-state', flag: 'checkout', environment: 'staging', state: 'ENABLED' },
          { kind: 'set-targeting', flag: 'checkout', environment: 'staging', defaultVariant: variant },
        ],
      });
      const refused = await developer.call('POST', `${PROJECT}/changes`, change('purple'));
      assert.equal(refused.status, 400);
      assert.equal(refused.body.errors[0]?.code, 'UNKNOWN_VARIANT');
      assert.equal(await stateIn(developer, 'staging'), 'DISABLED');
      ok(await developer.call('POST', `${PROJECT}/changes`, change('on')), 200);
      assert.equal(await stateIn(developer, 'staging'), 'ENABLED');
    });
  });

  describe('where approvals are demanded', () => {
    it('wait for another person, then apply', async () => {
      const { releaseManager, approver } = await arrange(org);
      const change = await requestToggle(releaseManager);
      assert.equal(await stateIn(releaseManager, 'production'), 'DISABLED');
      assert.equal((await act(releaseManager, change.id, 'apply')).body.code, 'APPROVAL_REQUIRED');
      assert.equal(ok(await act(approver, change.id, 'approve', { hash: change.hash }), 200).body.state, 'approved');
      const applied = ok(await act(releaseManager, change.id, 'apply', { hash: change.hash }), 200);
      assert.equal(applied.body.state, 'applied');
      assert.equal(await stateIn(releaseManager, 'production'), 'ENABLED');
    });

    it('need as many different approvers as the environment demands', async () => {
      const { releaseManager, approver } = await arrange(org, 2);
      const change = await requestToggle(releaseManager);
      for (let repeat = 0; repeat < 2; repeat += 1) {
        const { body } = ok(await act(approver, change.id, 'approve', { hash: change.hash }), 200);
        assert.equal(body.state, 'in_review');
        assert.deepEqual(body.approvals, [{ environment: 'production', required: 2, counted: 1 }]);
      }
      assert.equal((await act(releaseManager, change.id, 'apply')).body.code, 'APPROVAL_REQUIRED');
      const second = org.person('reviewer');
      assert.equal(ok(await act(second, change.id, 'approve', { hash: change.hash }), 200).body.state, 'approved');
      ok(await act(releaseManager, change.id, 'apply'), 200);
    });

    it('need the author to hold change:create, next to the permission of the kind', async () => {
      const { developer } = await arrange(org);
      const answer = await toggle(developer, 'production', 'ENABLED');
      assert.equal(answer.status, 403);
      assert.deepEqual(answer.body.metadata, {
        reason: 'NO_GRANT',
        permission: 'flag:toggle',
        environment: 'production',
      });
      const toggler = org.person('viewer');
      world.policy.grants.set(toggler.id, (permission) => ['flag:toggle', 'flag:read'].includes(permission));
      const refused = await toggle(toggler, 'production', 'ENABLED');
      assert.equal(refused.status, 403);
      assert.equal(refused.body.metadata['permission'], 'change:create');
    });

    it('hold the whole set back when one of its environments is protected', async () => {
      const { releaseManager } = await arrange(org);
      const changes = ['staging', 'production'].map((environment) => ({
        kind: 'set-state',
        flag: 'checkout',
        environment,
        state: 'ENABLED',
      }));
      ok(await releaseManager.call('POST', `${PROJECT}/changes`, { title: 'Everywhere', changes }), 202);
      assert.equal(await stateIn(releaseManager, 'staging'), 'DISABLED');
    });

    it('cover creation, definition, archiving and deletion of a flag alike', async () => {
      const { owner, approver } = await arrange(org);
      const path = `${PROJECT}/flags/checkout`;
      const agree = async (change: { id: string; hash: string }): Promise<void> => {
        ok(await act(approver, change.id, 'approve', { hash: change.hash }), 200);
        ok(await act(owner, change.id, 'apply'), 200);
      };
      const body = { key: 'other', type: 'string', variants: { a: 'x' } };
      await agree(ok(await owner.call('POST', `${PROJECT}/flags`, body), 202).body.change);
      await agree(ok(await owner.call('PATCH', path, { description: 'New words' }), 202).body.change);
      assert.equal((await owner.call('DELETE', path)).body.code, 'CONFLICT');
      await agree(ok(await owner.call('PATCH', path, { archived: true }), 202).body.change);
      assert.equal((await toggle(owner, 'staging', 'ENABLED')).body.code, 'CONFLICT');
      await agree(ok(await owner.call('DELETE', path), 202).body.change);
      assert.equal((await owner.call('GET', path)).status, 404);
      ok(await owner.call('GET', `${PROJECT}/flags/other`), 200);
    });

    it('stop at a standing objection until the objector agrees or a new revision is written', async () => {
      const { releaseManager, approver } = await arrange(org);
      const objector = org.person('reviewer');
      const change = await requestToggle(releaseManager);
      ok(await act(approver, change.id, 'approve', { hash: change.hash }), 200);
      const objected = await act(objector, change.id, 'request-changes', { hash: change.hash, comment: 'No.' });
      assert.equal(ok(objected, 200).body.state, 'in_review');
      assert.equal(objected.body.approvals[0]?.counted, 1);
      assert.equal((await act(releaseManager, change.id, 'apply')).body.code, 'APPROVAL_REQUIRED');
      assert.equal(ok(await act(objector, change.id, 'approve', { hash: change.hash }), 200).body.state, 'approved');
      ok(await act(releaseManager, change.id, 'apply'), 200);
    });

    it('end with a rejection or a cancellation', async () => {
      const { releaseManager, approver } = await arrange(org);
      const rejected = await requestToggle(releaseManager);
      ok(await act(approver, rejected.id, 'reject', { hash: rejected.hash }), 200);
      const cancelled = await requestToggle(releaseManager);
      ok(await act(releaseManager, cancelled.id, 'cancel'), 200);
      for (const { id, hash } of [rejected, cancelled]) {
        assert.equal((await act(approver, id, 'approve', { hash })).body.code, 'CONFLICT');
        assert.equal((await act(releaseManager, id, 'apply')).body.code, 'CONFLICT');
        assert.equal((await act(releaseManager, id, 'cancel')).body.code, 'CONFLICT');
      }
      assert.equal(await stateIn(releaseManager, 'production'), 'DISABLED');
    });

    it('are found in their own project only', async () => {
      const { owner, releaseManager } = await arrange(org);
      const { id, hash } = await requestToggle(releaseManager);
      ok(await owner.call('POST', '/projects', { key: 'other', name: 'Other' }), 201);
      const path = `/projects/other/changes/${id}`;
      assert.equal((await owner.call('GET', path)).status, 404);
      assert.equal((await owner.call('POST', `${path}/approve`, { hash })).status, 404);
    });

    it('are edited by nobody who could not have asked', async () => {
      const { releaseManager } = await arrange(org);
      const change = await requestToggle(releaseManager);
      const off = { kind: 'set-state', flag: 'checkout', environment: 'production', state: 'DISABLED' };
      for (const edit of [{ title: 'Mine' }, { changes: [off] }]) {
        const answer = await org.person('reviewer').call('PATCH', `${PROJECT}/changes/${change.id}`, edit);
        assert.equal(answer.status, 403);
        assert.equal(answer.body.metadata['permission'], 'flag:toggle');
      }
    });

    it('are withdrawn by nobody who could not have asked', async () => {
      const { releaseManager } = await arrange(org);
      const change = await requestToggle(releaseManager);
      const answer = await act(org.person('reviewer'), change.id, 'cancel');
      assert.equal(answer.status, 403);
      assert.equal(answer.body.metadata['permission'], 'change:create');
    });

    it('ignore no field that would skip the review: they are refused', async () => {
      const { owner } = await arrange(org);
      const path = `${PROJECT}/flags/checkout/environments/production`;
      for (const trick of ['publish', 'skipReview', 'autoPublish', 'approvedBy', 'force', 'bypass']) {
        const answer = await owner.call('PATCH', path, { state: 'ENABLED', [trick]: true });
        assert.equal(answer.status, 400);
        assert.equal(answer.body.errors[0]?.code, 'UNKNOWN_FIELD');
      }
      assert.equal(await stateIn(owner, 'production'), 'DISABLED');
    });
  });

  describe('when policy cannot answer', () => {
    afterEach(() => {
      world.policy.isDown = false;
    });

    it('nothing is written, and the answer is 503', async () => {
      const { owner, releaseManager, approver } = await arrange(org);
      const change = await requestToggle(releaseManager);
      ok(await act(approver, change.id, 'approve', { hash: change.hash }), 200);
      const size = (await org.audit()).length;
      world.policy.isDown = true;
      const attempts = [
        await toggle(owner, 'staging', 'ENABLED'),
        await owner.call('POST', '/projects', { key: 'other', name: 'Other' }),
        await owner.call('POST', `${PROJECT}/environments/staging/keys`, { name: 'k' }),
        await act(releaseManager, change.id, 'apply'),
        await act(owner, change.id, 'approve', { hash: change.hash }),
        await owner.call('GET', `${PROJECT}/flags`),
      ];
      assert.deepEqual(
        attempts.map(({ status }) => status),
        attempts.map(() => 503),
      );
      world.policy.isDown = false;
      assert.equal((await org.audit()).length, size);
      assert.equal(await stateIn(owner, 'staging'), 'DISABLED');
      assert.equal(await stateIn(owner, 'production'), 'DISABLED');
    });
  });

  describe('credentials', () => {
    it('limited to scopes grant nothing outside them', async () => {
      await arrange(org);
      const narrow = org.person('owner', { scopes: ['flag:read'] });
      ok(await narrow.call('GET', `${PROJECT}/flags/checkout`), 200);
      const answer = await toggle(narrow, 'staging', 'ENABLED');
      assert.equal(answer.status, 403);
      assert.equal(answer.body.metadata['reason'], 'CREDENTIAL_SCOPE');
    });

    it('of somebody deactivated are 401', async () => {
      const { owner } = await arrange(org);
      owner.account.active = false;
      assert.equal((await toggle(owner, 'staging', 'ENABLED')).status, 401);
    });
  });
});
