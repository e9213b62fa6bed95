import { waitFor } from '@sallyport/dev-env';
import { expectStatus, listAll, type Answer } from '@sallyport/dev-env/actors';

import type { Company } from './company.ts';
import { ABSENT, History, KINDS, type Outcome } from './history.ts';
import { createProject, type Project } from './project.ts';
import type { Random } from './random.ts';

const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const GRANTS = '/api/policy/v1/grants';
const DIRECTORY_WRITERS = 3;
const GRANTED_SUBJECTS = 4;
const FLAGS = ['first', 'second'] as const;

/** Writes of every kind, all the time: people, memberships, grants and flags. */
export interface Storm {
  readonly history: History;
  readonly groupId: string;
  readonly project: Project;
  /** Waits until writes of every kind have been acknowledged since this call. */
  blows(perKind?: number): Promise<void>;
  /** Returns when every request has ended, one way or another. */
  stop(): Promise<void>;
}

/** A user as Okta creates it. */
export const newUser = (userName: string) => ({
  schemas: [USER],
  userName,
  externalId: `external-${userName}`,
  name: { givenName: 'Stormy', familyName: userName },
  emails: [{ value: userName, primary: true, type: 'work' }],
  active: true,
});

/** @see RFC 7644 §3.5.2 */
export const patchOf = (...operations: readonly object[]) => ({ schemas: [PATCH], Operations: operations });

export const setActive = (active: boolean) => patchOf({ op: 'replace', value: { active } });

export const addMember = (id: string) => patchOf({ op: 'add', path: 'members', value: [{ value: id }] });
export const removeMember = (id: string) => patchOf({ op: 'remove', path: `members[value eq "${id}"]` });

interface Member {
  readonly id: string;
  readonly userName: string;
  isActive: boolean;
  isMember: boolean;
}

interface Weather {
  readonly company: Company;
  readonly random: Random;
  readonly history: History;
  readonly over: AbortSignal;
  readonly groupId: string;
  readonly project: Project;
  readonly lookOut: { watch: Promise<unknown> | null };
}

/** True when every service answers somebody who may read everything. */
const isCalm = async ({ company: { owner, directory }, project, groupId }: Weather): Promise<boolean> => {
  const answers = await Promise.all([
    owner.call('GET', `${GRANTS}?limit=1`),
    owner.call('GET', project.path),
    directory.call('GET', `/scim/v2/Groups/${groupId}?excludedAttributes=members`),
  ]);
  return answers.every(({ status }) => status === 200);
};

/** Whoever was not acknowledged waits until everything answers again, all on one look-out: clients that back off. */
const afterwards = async (weather: Weather, outcome: Outcome): Promise<void> => {
  if (outcome === 'acknowledged') return;
  const { lookOut } = weather;
  const calm = { timeoutMs: 40_000, intervalMs: 100, message: 'the services to come back' };
  lookOut.watch ??= waitFor(async () => await isCalm(weather), calm).finally(() => {
    lookOut.watch = null;
  });
  await lookOut.watch;
};

const createUser = async (weather: Weather): Promise<Member | null> => {
  const { company, history } = weather;
  const userName = `${company.nextName('storm')}@acme.example`;
  const write = { kind: 'account', register: `account:${userName}`, value: 'active' } as const;
  const [outcome, answer] = await history.send(
    write,
    async () => await company.directory.call('POST', '/scim/v2/Users', newUser(userName)),
  );
  await afterwards(weather, outcome);
  if (outcome !== 'acknowledged') return null;
  return { id: String(answer?.body['id']), userName, isActive: true, isMember: false };
};

/** One change of somebody; false when it is unknown how it ended, and they are better left alone. */
const changeUser = async (weather: Weather, member: Member): Promise<boolean> => {
  const { company, history, random, groupId } = weather;
  const { directory } = company;
  const isStanding = random.integer(2) === 0;
  const next = isStanding ? !member.isActive : !member.isMember;
  const write = isStanding
    ? ({ kind: 'account', register: `account:${member.userName}`, value: next ? 'active' : 'inactive' } as const)
    : ({ kind: 'membership', register: `member:${member.id}`, value: next ? 'in' : ABSENT } as const);
  const [outcome] = await history.send(write, async () =>
    isStanding
      ? await directory.call('PATCH', `/scim/v2/Users/${member.id}`, setActive(next))
      : await directory.call('PATCH', `/scim/v2/Groups/${groupId}`, (next ? addMember : removeMember)(member.id)),
  );
  if (outcome === 'acknowledged') Object.assign(member, isStanding ? { isActive: next } : { isMember: next });
  await afterwards(weather, outcome);
  return outcome !== 'unknown';
};

const writeDirectory = async (weather: Weather): Promise<void> => {
  const mine = new Set<Member>();
  while (!weather.over.aborted) {
    if (mine.size < 3 || weather.random.integer(4) === 0) {
      const created = await createUser(weather);
      if (created !== null) mine.add(created);
    } else {
      const member = weather.random.pick([...mine]);
      if (!(await changeUser(weather, member))) mine.delete(member);
    }
  }
};

const writeGrants = async (weather: Weather, subjectIds: readonly string[]): Promise<void> => {
  const { company, history, random, project } = weather;
  const { owner } = company;
  const given = new Map<string, string | null>(subjectIds.map((id) => [id, null]));
  while (!weather.over.aborted && given.size > 0) {
    const subjectId = random.pick([...given.keys()]);
    const grantId = given.get(subjectId) ?? null;
    const value = grantId === null ? 'given' : ABSENT;
    const grant = { subject: { type: 'user', id: subjectId }, role: 'viewer', scope: { projectId: project.projectId } };
    const [outcome, answer] = await history.send(
      { kind: 'grant', register: `grant:${subjectId}`, value },
      async (): Promise<Answer> =>
        grantId === null ? await owner.call('POST', GRANTS, grant) : await owner.call('DELETE', `${GRANTS}/${grantId}`),
    );
    if (outcome === 'acknowledged') given.set(subjectId, grantId === null ? String(answer?.body['id']) : null);
    if (outcome === 'unknown') given.delete(subjectId);
    await afterwards(weather, outcome);
  }
};

const writeFlag = async (weather: Weather, flag: string): Promise<void> => {
  const { company, history, project } = weather;
  for (let number = 1; !weather.over.aborted; number += 1) {
    const description = `write ${String(number)}`;
    const [outcome] = await history.send(
      { kind: 'flag', register: `flag:${flag}`, value: description },
      async () => await company.owner.call('PATCH', `${project.path}/flags/${flag}`, { description }),
    );
    await afterwards(weather, outcome);
  }
};

/** People for grants: more than any number of crashes makes unknown. */
const hireSubjects = async ({ directory, owner, nextName }: Company, count: number): Promise<string[]> => {
  const ids: string[] = [];
  while (ids.length < count) {
    const user = newUser(`${nextName('granted')}@acme.example`);
    ids.push(String((await expectStatus(directory, 201, 'POST', '/scim/v2/Users', user))['id']));
  }
  // Policy refuses a grant to a subject it does not know.
  const last = { subject: { type: 'user', id: ids.at(-1) }, role: 'auditor', scope: {} };
  await waitFor(async () => (await owner.call('POST', GRANTS, last)).status === 201, { message: 'policy to know all' });
  return ids;
};

/** @param crashes how many are to come: each may leave a few registers in doubt */
export const startStorm = async (company: Company, random: Random, crashes: number): Promise<Storm> => {
  const group = { schemas: [GROUP], displayName: company.nextName('storm') };
  const groupId = String((await expectStatus(company.directory, 201, 'POST', '/scim/v2/Groups', group))['id']);
  const project = await createProject(company, FLAGS, { isProtected: false });
  const subjectIds = await hireSubjects(company, GRANTED_SUBJECTS + crashes);
  const over = new AbortController();
  const history = new History();
  const weather = { company, random, history, over: over.signal, groupId, project, lookOut: { watch: null } };
  const writers = [
    ...Array.from({ length: DIRECTORY_WRITERS }, async () => {
      await writeDirectory(weather);
    }),
    writeGrants(weather, subjectIds),
    ...FLAGS.map(async (flag) => {
      await writeFlag(weather, flag);
    }),
  ];
  const ended = Promise.all(writers);
  // Until somebody waits for the end, a writer that gives up is not an unhandled rejection.
  ended.catch(() => undefined);
  return {
    history,
    groupId,
    project,
    blows: async (perKind = 3) => {
      const before = KINDS.map((kind) => history.acknowledged(kind));
      await Promise.race([
        waitFor(() => KINDS.every((kind, at) => history.acknowledged(kind) >= (before[at] ?? 0) + perKind), {
          timeoutMs: 40_000,
          message: 'writes of every kind',
        }),
        ended,
      ]);
    },
    stop: async () => {
      over.abort();
      await ended;
    },
  };
};

/** What the APIs say is true now, by register. */
export const readTruth = async ({ owner, directory }: Company, storm: Storm): Promise<Map<string, string>> => {
  const truth = new Map<string, string>();
  for (const { userName, status } of await listAll(owner, '/api/identity/v1/accounts?limit=200'))
    truth.set(`account:${String(userName)}`, String(status));
  const group = await expectStatus(directory, 200, 'GET', `/scim/v2/Groups/${storm.groupId}`);
  for (const { value } of (group['members'] ?? []) as { value: string }[]) truth.set(`member:${value}`, 'in');
  for (const { subject, role } of await listAll(owner, `${GRANTS}?limit=200`))
    if (role === 'viewer') truth.set(`grant:${(subject as { id: string }).id}`, 'given');
  for (const { key, description } of await listAll(owner, `${storm.project.path}/flags?limit=200`))
    if (description !== '') truth.set(`flag:${String(key)}`, String(description));
  return truth;
};
