/**
 * Out means out: when whoever ends somebody's access has their 2xx, nothing that person holds works anywhere, and
 * nothing of it ever works again. Every way out, every class of credential.
 */
import assert from 'node:assert/strict';

import { expectStatus, measureRevocation, Person, type Holdings } from '@sallyport/dev-env/actors';

import { employ, openCompany, type Company, type Employee } from '../src/company.ts';
import { holdWidely, startFlights, type InFlight, type WideClass } from '../src/credentials.ts';
import { WAYS_OUT, type WayOut } from '../src/deprovisioning.ts';
import { approve, createProject, requestChange, stateOf, type ChangeRequest, type Project } from '../src/project.ts';

/** Flags of the project, each for one thing a person does with it. */
const FLAGS = ['toggled', 'authored', 'approved'] as const;

/** What says about a subject or a key, not about a credential: true again for somebody who may come back. */
const OF_THE_SUBJECT: readonly WideClass[] = ['policyDecision', 'policyCheck', 'machineTokenRequest'];

interface Case {
  readonly employee: Employee;
  readonly project: Project;
  readonly holdings: Holdings<WideClass>;
  readonly flights: InFlight;
  readonly laterFlights: InFlight;
  /** Written by the person, approved by the Owner. */
  readonly authored: ChangeRequest;
  /** Written by the Owner, approved by the person. */
  readonly approved: ChangeRequest;
}

const prepare = async (company: Company, way: WayOut): Promise<Case> => {
  const { owner } = company;
  await company.idp.setFlavor(way.flavor);
  const project = await createProject(company, FLAGS);
  const employee = await employ(company, ['release-managers']);
  const holdings = await holdWidely(company, employee, project, 'toggled');
  const authored = await requestChange(employee.person, project, 'authored');
  await approve(owner, project, authored);
  const approved = await requestChange(owner, project, 'approved');
  await approve(employee.person, project, approved);
  const flights = await startFlights(company, employee);
  const laterFlights = await startFlights(company, employee);
  return { employee, project, holdings, flights, laterFlights, authored, approved };
};

const usable = async <Class extends string>(holdings: Holdings<Class>): Promise<Class[]> => {
  const names = Object.keys(holdings) as Class[];
  const answers = await Promise.all(names.map(async (name) => ((await holdings[name]()) ? [name] : [])));
  return answers.flat();
};

/** Neither a change the person wrote nor one they approved takes effect; both are refused aloud. */
const assertChangesAreDead = async ({ owner }: Company, { project, authored, approved }: Case): Promise<void> => {
  const byThem = await owner.call('POST', project.changePath(authored.id, 'apply'), { hash: authored.hash });
  assert.deepEqual([byThem.status, byThem.body['code']], [409, 'CONFLICT'], JSON.stringify(byThem.body));
  assert.equal(await stateOf(owner, project, 'authored', 'live'), 'DISABLED');
  const withTheirs = await owner.call('POST', project.changePath(approved.id, 'apply'), { hash: approved.hash });
  assert.deepEqual([withTheirs.status, withTheirs.body['code']], [409, 'APPROVAL_REQUIRED']);
  assert.equal(await stateOf(owner, project, 'approved', 'live'), 'DISABLED');
};

const canSignIn = async (company: Company, { userName }: Employee): Promise<boolean> => {
  const newcomer = new Person(company.constellation.origin, userName);
  return await newcomer.signInWithSaml(company.connectionId).then(
    () => true,
    () => false,
  );
};

describe('access that ended', function () {
  this.timeout(180_000);
  let company: Company;

  before(async () => {
    company = await openCompany();
  });

  after(async () => {
    await company?.close();
  });

  it('would have worked: a change approved by somebody who is still there is applied', async () => {
    const { owner } = company;
    const project = await createProject(company, FLAGS);
    const { person } = await employ(company, ['release-managers']);
    const change = await requestChange(owner, project, 'approved');
    await approve(person, project, change);
    await expectStatus(owner, 200, 'POST', project.changePath(change.id, 'apply'), { hash: change.hash });
    assert.equal(await stateOf(owner, project, 'approved', 'live'), 'ENABLED');
  });

  for (const way of WAYS_OUT) {
    it(`by ${way.name} is over in every class of credential, for good`, async () => {
      const thing = await prepare(company, way);
      const { employee, holdings, flights, laterFlights } = thing;
      const measured = await measureRevocation(holdings, async () => {
        await way.out(company, employee);
      });
      assert.deepEqual(measured.allowedAfterAnswer, [], 'used successfully after the 2xx');
      assert.deepEqual(await usable({ ...flights }), [], 'in flight, and still got somebody in');
      assert.equal(await canSignIn(company, employee), false);
      await assertChangesAreDead(company, thing);
      if (way.back === undefined) return;

      await way.back(company, employee);
      assert.equal(await canSignIn(company, employee), true, 'somebody who was taken back signs in anew');
      const revived = (await usable(holdings)).filter((name) => !OF_THE_SUBJECT.includes(name));
      assert.deepEqual(revived, [], 'issued before the end of access, and works again');
      const { code, assertion } = laterFlights;
      assert.deepEqual(await usable({ code, assertion }), [], 'in flight before the end of access');
      await assertChangesAreDead(company, thing);
    });
  }
});
