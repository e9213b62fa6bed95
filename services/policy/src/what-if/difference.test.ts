import assert from 'node:assert/strict';

import fc from 'fast-check';

import { randomGiven } from '../../tests/support/random-condition.ts';
import { randomPolicy, type RandomPolicy } from '../../tests/support/random-policy.ts';
import type { GivenProperties } from '../conditions/index.ts';
import { evaluate, findTarget } from '../decide/index.ts';
import {
  PERMISSION_NAMES,
  compileOrganization,
  patchOrganization,
  rowsOf,
  type OrganizationIndex,
  type RoleDefinition,
} from '../model/index.ts';
import { difference, type Difference } from './difference.ts';

const RUNS = 500;
const LAST_MOMENT = 11;

interface Person {
  readonly type: 'user' | 'service_account';
  readonly active: boolean;
  readonly groupIds: readonly string[];
}

const populationOf = (people: ReadonlyMap<string, Person>) => ({
  find: (id: string) => people.get(id),
  members: (groupId: string) => [...people].filter(([, { groupIds }]) => groupIds.includes(groupId)).map(([id]) => id),
});

const peopleOf = ({ organizations }: RandomPolicy, active: readonly boolean[]): ReadonlyMap<string, Person> =>
  new Map(
    (organizations[0]?.memberships ?? []).map(({ type, subjectId, groupIds }, at) => [
      subjectId,
      { type, active: active[at] ?? true, groupIds: [...new Set(groupIds)] },
    ]),
  );

const compiled = (policy: RandomPolicy, at: number, roles: readonly RoleDefinition[]): OrganizationIndex | null => {
  const rows = (policy.organizations[at] ?? policy.organizations[0])?.rows;
  if (rows === undefined) return null;
  const result = compileOrganization({ ...rows, orgId: 'o' }, roles);
  return result.ok ? result.index : null;
};

/** Some of the grants gone, some of the other policy's there, maybe other roles: mostly patched, as the service does. */
const changed = (
  before: OrganizationIndex,
  other: OrganizationIndex,
  {
    keep,
    roles,
    isWhole,
  }: { readonly keep: readonly boolean[]; readonly roles: readonly RoleDefinition[]; readonly isWhole: boolean },
): OrganizationIndex | null => {
  const gone = before.grants.filter((_, at) => keep[at] === false).map(({ row }) => row.grantId);
  const put = other.grants
    .filter((_, at) => keep[at + 1] === false)
    .map(({ row }) => ({ ...row, grantId: `n${row.grantId}` }));
  const { projects, environments } = rowsOf(isWhole ? other : before);
  const change = { slug: '', revision: 2n, engine: 'index' as const, put, removed: gone, projects, environments };
  const patched = patchOrganization(before, change, roles);
  if (!isWhole || patched === null) return patched;
  const result = compileOrganization(
    { ...rowsOf(patched), grants: patched.grants.map(({ row }) => row), projects, environments, roles: [] },
    roles,
  );
  return result.ok ? result.index : null;
};

const shuffled = (roles: readonly RoleDefinition[], by: number): readonly RoleDefinition[] =>
  roles.map((role, at) => ({ ...role, permissions: roles[(at + by) % roles.length]?.permissions ?? role.permissions }));

type Place = readonly [projectId: string, environmentId: string];

const placesOf = (...indexes: readonly OrganizationIndex[]): readonly Place[] => {
  const projects = new Set(indexes.flatMap((index) => [...index.projects.keys()]));
  const environments = new Set(indexes.flatMap((index) => [...index.environments.keys()]));
  return [['', ''], ...[...projects].map((id): Place => [id, '']), ...[...environments].map((id): Place => ['', id])];
};

interface Asked {
  readonly person: Person & { readonly id: string };
  readonly place: Place;
  readonly permission: number;
  readonly nowMs: number;
  readonly given: GivenProperties;
}

/** Whoever is active, everywhere, everything, at every moment from then on. */
function* questionsOf(
  people: ReadonlyMap<string, Person>,
  places: readonly Place[],
  nowMs: number,
  givens: readonly GivenProperties[],
): Generator<Asked> {
  const active = [...people].filter(([, person]) => person.active).map(([id, person]) => ({ ...person, id }));
  const moments = Array.from({ length: LAST_MOMENT - nowMs + 1 }, (_, at) => nowMs + at);
  const circumstances = moments.flatMap((at) => givens.map((given) => ({ nowMs: at, given })));
  for (const person of active)
    for (const place of places)
      for (const permission of PERMISSION_NAMES.keys())
        for (const each of circumstances) yield { person, place, permission, ...each };
}

const allowed = (index: OrganizationIndex, { person, place, permission, nowMs, given }: Asked): boolean => {
  const target = findTarget(index, ...place);
  if (typeof target === 'string') return false;
  const { type, id, groupIds } = person;
  return evaluate(index, { actor: { type, id, groupIds }, permission, target, nowMs, given }).kind === 'allowed';
};

type Told = 'gains' | 'losses' | 'conditional gains' | 'conditional loses' | 'conditional both';

/** What the difference says, by subject, place and action. */
const toldBy = (found: Difference): ReadonlyMap<string, Told> => {
  const told = new Map<string, Told>();
  for (const { subject, spot, change } of found.entries()) {
    const where = spot.environmentId === null ? [spot.projectId ?? '', ''] : ['', spot.environmentId];
    const key = (action: string): string => JSON.stringify([subject.id, ...where, action]);
    for (const action of change.gains) told.set(key(action), 'gains');
    for (const action of change.losses) told.set(key(action), 'losses');
    for (const { action, change: how } of change.conditional) told.set(key(action), `conditional ${how}`);
  }
  return told;
};

const MAY: Readonly<Record<Told | 'nothing', (was: boolean, is: boolean) => boolean>> = {
  nothing: (was, is) => was === is,
  gains: (was, is) => !was && is,
  losses: (was, is) => was && !is,
  'conditional gains': (was, is) => !was || is,
  'conditional loses': (was, is) => was || !is,
  'conditional both': () => true,
};

describe('difference of two policies', () => {
  it('is what deciding by each of them differs in: every subject, place, action, at many moments (property)', () => {
    let told = 0;
    let asked = 0;
    const drawn = fc.record({
      policy: randomPolicy,
      keep: fc.array(fc.boolean(), { minLength: 18, maxLength: 18 }),
      active: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
      by: fc.nat({ max: 2 }),
      isWhole: fc.boolean(),
      nowMs: fc.integer({ min: 0, max: 10 }),
      givens: fc.array(randomGiven, { minLength: 1, maxLength: 2 }),
    });
    fc.assert(
      fc.property(drawn, (world) => {
        const { policy, keep, active, by, isWhole, nowMs, givens } = world;
        const before = compiled(policy, 0, policy.roles);
        const other = compiled(policy, 1, policy.roles);
        if (before === null || other === null) return;
        const roles = isWhole ? shuffled(policy.roles, by) : policy.roles;
        const after = changed(before, other, { keep, roles, isWhole });
        if (after === null) return;
        const people = peopleOf(policy, active);
        const found = difference(before, after, populationOf(people), nowMs);
        const says = toldBy(found);
        told += says.size;
        assert.equal(says.size, found.counts.gains + found.counts.losses + found.counts.conditional);
        assert.equal([...found.entries()].length, found.counts.entries);
        const wrong: string[] = [];
        for (const question of questionsOf(people, placesOf(before, after), nowMs, givens)) {
          const { person, place, permission } = question;
          const how = says.get(JSON.stringify([person.id, ...place, PERMISSION_NAMES[permission]])) ?? 'nothing';
          asked += 1;
          const [was, is] = [allowed(before, question), allowed(after, question)];
          if (!MAY[how](was, is)) wrong.push(`${JSON.stringify(question)}: ${how}, ${String(was)} > ${String(is)}`);
        }
        assert.deepEqual(wrong, []);
      }),
      { numRuns: RUNS },
    );
    assert.ok(told > RUNS && asked > 50_000, `${String(told)} told, ${String(asked)} asked`);
  });
});
