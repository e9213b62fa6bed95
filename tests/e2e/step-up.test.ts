/** What an organisation demands a recent sign-in for is refused by whichever service does it, with identity's word of now. */
import assert from 'node:assert/strict';

import { expectStatus, type Answer, type Caller, type Person } from '@sallyport/dev-env/actors';

import type { Company } from '../src/company.ts';
import { createProject, stateOf, type Project } from '../src/project.ts';
import { BOOT_TIMEOUT_MS, sharedCompany } from '../support/shared-company.ts';
import { signInOwner, Workshop } from '../support/workshop.ts';

const SETTINGS = '/api/identity/v1/session-settings';

describe('step-up', function () {
  this.timeout(180_000);
  let company: Company;
  let project: Project;
  let workshop: Workshop;
  let session: Person;

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    company = await sharedCompany();
    project = await createProject(company, ['stepped']);
    workshop = await Workshop.open(company);
    session = await signInOwner(company);
    const stepUp = { actions: ['flag:toggle', 'grant:manage', 'session:manage'], minutes: 15 };
    await expectStatus(session, 200, 'PATCH', SETTINGS, { stepUp });
  });
  after(async () => {
    await expectStatus(session, 200, 'PATCH', SETTINGS, { stepUp: { actions: [] } });
  });

  /** As if the Owner had been there so many minutes ago. */
  const wasThere = async (minutesAgo: number): Promise<void> => {
    const { credentialId } = await expectStatus(session, 200, 'GET', '/api/identity/v1/me');
    await company.database.query(
      'UPDATE identity.browser_session SET proven_at = now() - make_interval(mins => $2) WHERE id = $1',
      [credentialId, minutesAgo],
    );
  };

  const toggle = async (caller: Caller): Promise<Answer> =>
    await caller.call('PATCH', project.flagPath('stepped', 'staging'), { state: 'ENABLED' });
  const grant = async (caller: Caller): Promise<Answer> => {
    const subject = { type: 'user', id: await workshop.knownUser() };
    return await caller.call('POST', '/api/policy/v1/grants', { subject, role: 'viewer' });
  };
  const endSessions = async (caller: Caller): Promise<Answer> =>
    await caller.call('DELETE', `/api/identity/v1/accounts/${(await workshop.signedIn()).accountId}/sessions`);

  const isRefused = ({ status, body }: Answer): void => {
    assert.deepEqual([status, body['code']], [403, 'STEP_UP_REQUIRED'], JSON.stringify(body));
  };

  it('is demanded by flags, policy and identity of a sign-in of a quarter of an hour ago, and of a token', async () => {
    await wasThere(16);
    for (const caller of [session, company.owner]) {
      isRefused(await toggle(caller));
      isRefused(await grant(caller));
      isRefused(await endSessions(caller));
    }
    assert.equal(await stateOf(session, project, 'stepped', 'staging'), 'DISABLED'); // Reading goes on.
  });

  it('is not in the way of whoever was there a moment ago', async () => {
    await wasThere(14);
    const answers = [await toggle(session), await grant(session), await endSessions(session)];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 201, 204],
    );
  });
});
