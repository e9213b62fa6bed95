/** Nobody changes production alone: not with another credential, not as the Owner, not with the service's own database role. */
import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { bearer, expectStatus, issueApiToken, Person, type Caller } from '@sallyport/dev-env/actors';
import pg from 'pg';

import { employ, type Company, type Employee } from '../src/company.ts';
import { approve, createProject, requestChange, stateOf, type ChangeRequest, type Project } from '../src/project.ts';
import { inAnHour } from '../src/time.ts';
import { BOOT_TIMEOUT_MS, sharedCompany } from '../support/shared-company.ts';
import { ownerToken, signInOwner, Workshop } from '../support/workshop.ts';

describe('four eyes', function () {
  this.timeout(180_000);
  let company: Company;
  let project: Project;
  let ravi: Employee;
  let rosa: Employee;
  let dev: Employee;

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    company = await sharedCompany();
    ravi = await employ(company, ['release-managers']);
    rosa = await employ(company, ['release-managers']);
    dev = await employ(company, ['developers']);
    project = await createProject(company, ['guarded', 'other']);
  });

  const assertStillOff = async (): Promise<void> => {
    assert.equal(await stateOf(company.owner, project, 'guarded', 'live'), 'DISABLED');
  };

  const refused = async (caller: Caller, change: ChangeRequest, code: string, status = 403): Promise<void> => {
    const answer = await caller.call('POST', project.changePath(change.id, 'approve'), { hash: change.hash });
    assert.deepEqual([answer.status, answer.body['code']], [status, code], JSON.stringify(answer.body));
    await assertStillOff();
  };

  it('the author approves with none of the credentials that are theirs', async () => {
    const { origin } = company.constellation;
    const change = await requestChange(ravi.person, project, 'guarded');
    const laptop = new Person(origin, ravi.userName);
    await laptop.signInWithOidc(company.connectionId);
    const token = bearer(origin, await issueApiToken(ravi.person, 'Approves', inAnHour()));
    await refused(ravi.person, change, 'SELF_APPROVAL');
    await refused(laptop, change, 'SELF_APPROVAL');
    await refused(token, change, 'SELF_APPROVAL');
    // Rejecting needs no second pair of eyes either way, but it is a review: nobody reviews their own change.
    const rejection = await ravi.person.call('POST', project.changePath(change.id, 'reject'), { hash: change.hash });
    assert.equal(rejection.body['code'], 'SELF_APPROVAL');
  });

  it('the Owner does not approve their own either, whatever they sign in with', async () => {
    const session = await signInOwner(company);
    const change = await requestChange(session, project, 'guarded');
    await refused(session, change, 'SELF_APPROVAL');
    await refused(await signInOwner(company), change, 'SELF_APPROVAL');
    await refused(bearer(company.constellation.origin, await ownerToken(company)), change, 'SELF_APPROVAL');
  });

  it('a service account the Owner holds the token of is no second person', async () => {
    const workshop = await Workshop.open(company);
    const robot = await workshop.serviceAccount();
    const { token } = await workshop.serviceAccountToken(robot);
    const machine = bearer(company.constellation.origin, token);
    const grant = { subject: { type: 'service_account', id: robot }, role: 'release_manager' };
    await waitFor(async () => (await company.owner.call('POST', '/api/policy/v1/grants', grant)).status === 201, {
      message: 'policy to know the service account',
    });
    const change = await requestChange(company.owner, project, 'guarded');
    await expectStatus(machine, 200, 'GET', project.changePath(change.id));
    await refused(machine, change, 'SELF_APPROVAL');
  });

  it('a change made with an API token is its owner’s own', async () => {
    const token = bearer(company.constellation.origin, await issueApiToken(ravi.person, 'Asks', inAnHour()));
    const change = await requestChange(token, project, 'guarded');
    await refused(ravi.person, change, 'SELF_APPROVAL');
    await refused(token, change, 'SELF_APPROVAL');
  });

  it('whoever rewrites a change becomes an author: neither of the two approves it', async () => {
    const change = await requestChange(ravi.person, project, 'guarded');
    const changes = [{ kind: 'set-state', flag: 'guarded', environment: 'live', state: 'ENABLED' }];
    const rewritten = await rosa.person.call('PATCH', project.changePath(change.id), { changes });
    if (rewritten.status === 200) {
      const revised = rewritten.body as unknown as ChangeRequest;
      await refused(ravi.person, revised, 'SELF_APPROVAL');
      await refused(rosa.person, revised, 'SELF_APPROVAL');
    } else {
      // Only the author may: then there is nobody to hide behind.
      assert.equal(rewritten.status, 403, JSON.stringify(rewritten.body));
    }
  });

  it('who holds no role for it does not approve, and what was not approved is not applied', async () => {
    const change = await requestChange(ravi.person, project, 'guarded');
    await refused(dev.person, change, 'PERMISSION_DENIED');
    for (const applier of [ravi.person, rosa.person, company.owner]) {
      const answer = await applier.call('POST', project.changePath(change.id, 'apply'), { hash: change.hash });
      assert.deepEqual([answer.status, answer.body['code']], [409, 'APPROVAL_REQUIRED'], JSON.stringify(answer.body));
    }
    await assertStillOff();
  });

  it('an approval is for the hash that was looked at, and void once the content is another', async () => {
    const change = await requestChange(ravi.person, project, 'guarded');
    const other = { ...change, hash: 'ab'.repeat(32) };
    await refused(rosa.person, other, 'HASH_MISMATCH', 409);
    await approve(rosa.person, project, change);
    const changes = [{ kind: 'set-state', flag: 'other', environment: 'live', state: 'ENABLED' }];
    const revised = await expectStatus(ravi.person, 200, 'PATCH', project.changePath(change.id), { changes });
    assert.notEqual(revised['hash'], change.hash);
    const answer = await ravi.person.call('POST', project.changePath(change.id, 'apply'), {});
    assert.deepEqual([answer.status, answer.body['code']], [409, 'APPROVAL_REQUIRED']);
    await assertStillOff();
  });

  it('no field of a request skips the review', async () => {
    const path = project.flagPath('guarded', 'live');
    for (const wish of [{ force: true }, { approved: true }, { skipReview: true }, { approvers: [rosa.subjectId] }]) {
      const answer = await ravi.person.call('PATCH', path, { state: 'ENABLED', ...wish });
      assert.equal(answer.status, 400, JSON.stringify(answer.body));
    }
    await assertStillOff();
  });

  it('nobody lowers the protection first', async () => {
    const path = `${project.path}/environments/live`;
    for (const change of [{ protected: false }, { requiredApprovals: 0 }, { tier: 'non-production' }]) {
      const { status } = await company.owner.call('PATCH', path, change);
      assert.ok(status === 409 || status === 400, `${JSON.stringify(change)}: ${String(status)}`);
    }
    assert.equal((await expectStatus(company.owner, 200, 'GET', path))['protected'], true);
  });

  it('the service’s own database role switches nothing on, approves nothing and hides nothing', async () => {
    const change = await requestChange(ravi.person, project, 'guarded');
    const client = new pg.Client({ connectionString: company.constellation.database.urlOf('flags') });
    await client.connect();
    try {
      await client.query(`SET sallyport.org_id = '${company.orgId}'`);
      const hash = Buffer.from(change.hash, 'hex');
      const review = {
        reviewerId: ravi.subjectId,
        reviewerType: 'user',
        verdict: 'approve',
        environments: [],
        comment: '',
      };
      const attempts: readonly (readonly [code: string, sql: string, values: unknown[]])[] = [
        ['42501', `UPDATE flags.flag_environment SET current_version = current_version + 1`, []],
        ['42501', `UPDATE flags.flag_environment_version SET configuration = '{"state":"ENABLED"}'`, []],
        ['42501', `INSERT INTO flags.flag_environment_version SELECT * FROM flags.flag_environment_version`, []],
        ['42501', `INSERT INTO flags.change_review SELECT * FROM flags.change_review`, []],
        ['42501', `UPDATE flags.change_request SET state = 'approved' WHERE change_id = $1`, [change.id]],
        ['FLPRT', `UPDATE flags.environment SET protected = false WHERE environment_id = $1`, [project.liveId]],
        [
          'FLAPR',
          `SELECT flags.apply_change($1, $2, $3, $4, NULL, now())`,
          [company.orgId, change.id, hash, ravi.subjectId],
        ],
        [
          'FLSLF',
          `SELECT flags.record_review($1, $2, $3, $4, now())`,
          [company.orgId, change.id, hash, JSON.stringify(review)],
        ],
        ['42501', `DELETE FROM flags.audit_entry`, []],
        ['42501', `UPDATE flags.audit_entry SET leaf = ''`, []],
        ['42501', `TRUNCATE flags.audit_entry CASCADE`, []],
        ['42501', `SELECT * FROM identity.account`, []],
        ['42501', `SELECT * FROM policy.role_grant`, []],
        ['42501', `SET ROLE sallyport_policy`, []],
      ];
      for (const [code, sql, values] of attempts) {
        const error: unknown = await client.query(sql, values).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        assert.equal((error as { code?: string } | undefined)?.code, code, `${sql}: ${String(error)}`);
      }
    } finally {
      await client.end();
    }
    await assertStillOff();
  });

  it('two people do: asked by one, approved by the other, and the record says both', async () => {
    const change = await requestChange(ravi.person, project, 'guarded');
    await approve(rosa.person, project, change);
    const applied = await expectStatus(ravi.person, 200, 'POST', project.changePath(change.id, 'apply'), {
      hash: change.hash,
    });
    assert.equal(applied['state'], 'applied');
    assert.equal(await stateOf(company.owner, project, 'guarded', 'live'), 'ENABLED');
    const { items } = await expectStatus(
      company.owner,
      200,
      'GET',
      `/api/flags/v1/audit?targetId=${change.id}&order=oldest-first`,
    );
    const entries = (items as { entry: { action: string; actor: { id: string } } }[]).map(({ entry }) => entry);
    assert.deepEqual(
      entries.map(({ action, actor }) => [action, actor.id]),
      [
        ['change.created', ravi.subjectId],
        ['change.approved', rosa.subjectId],
        ['change.applied', ravi.subjectId],
      ],
    );
  });
});
