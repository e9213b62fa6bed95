/** The index, an index that came about step by step, Casbin and SQL: asked the same questions about the same rows. */
import assert from 'node:assert/strict';

import fc from 'fast-check';

import { findTarget } from '../../src/decide/check.ts';
import { evaluate, type Question } from '../../src/decide/evaluate.ts';
import { compileOrganization, type OrganizationIndex } from '../../src/model/compile.ts';
import { referenceEnforcer } from '../../src/model/enforcer.ts';
import { patchOrganization } from '../../src/model/patch.ts';
import { permissionNumber } from '../../src/model/permissions.ts';
import type { RoleDefinition } from '../../src/model/roles.ts';
import type { GrantRow, OrganizationRows } from '../../src/model/rows.ts';
import { randomPolicy, randomRequest, toTerms, type RandomPolicy, type RandomRequest } from './random-policy.ts';
import type { SqlOracle } from './sql-oracle.ts';

export interface Comparison {
  readonly seed: number;
  readonly models: number;
  readonly requestsPerModel: number;
  readonly oracle: SqlOracle;
  /** One model in so many is put to SQL too. */
  readonly sqlEvery: number;
  readonly onProgress?: (tally: Tally) => void;
}

/** What was compared, and how much of it had a say in it. */
export interface Tally {
  models: number;
  requests: number;
  allowed: number;
  /** Asked of SQL as well. */
  sql: number;
  /** Decided differently were it not for the conditions. */
  byCondition: number;
}

const build = (rows: OrganizationRows, roles: readonly RoleDefinition[]): OrganizationIndex => {
  const compiled = compileOrganization(rows, roles);
  assert.ok(compiled.ok);
  return compiled.index;
};

/** What its own roles were before: they permitted something else, and one that is gone permitted everything here. */
const rolesBefore = (own: readonly RoleDefinition[]): readonly RoleDefinition[] => {
  const [first, last] = [own[0], own.at(-1)];
  if (first === undefined || last === undefined) return [];
  return own.map((role, at) => ({ ...role, permissions: at % 2 === 0 ? last.permissions : first.permissions }));
};

/** The same rows, of which every other grant came later, one that is gone was there before and own roles were others. */
const grown = (rows: OrganizationRows, roles: readonly RoleDefinition[]): OrganizationIndex => {
  const { grants, projects, environments, slug, revision, roles: own = [] } = rows;
  const before = grants.filter((_, at) => at % 2 === 0);
  const [first] = grants;
  const gone = first === undefined ? [] : [{ ...first, grantId: 'gone' }];
  const start = build(
    {
      ...rows,
      grants: [...before, ...gone],
      projects: projects.slice(1),
      environments: [],
      roles: rolesBefore(own),
    },
    roles,
  );
  const put = grants.filter((_, at) => at % 2 === 1);
  const scopes = { projects, environments };
  const change = { slug, revision, engine: 'index', put, removed: ['gone'], putRoles: own, ...scopes } as const;
  const patched = patchOrganization(start, change, roles);
  assert.ok(patched !== null);
  return patched;
};

const questionOf = (policy: RandomPolicy, index: OrganizationIndex, request: RandomRequest, at: number) => {
  const target = findTarget(index, request.projectId, request.environmentId);
  if (typeof target === 'string') return null;
  const member = policy.organizations[at]?.memberships.find(
    (each) => each.type === request.subjectType && each.subjectId === request.subjectId,
  );
  const { resource, given, nowMs } = request;
  const actor = { type: request.subjectType, id: request.subjectId, groupIds: member?.groupIds ?? [] };
  return { actor, permission: permissionNumber(request.action), target, nowMs, resource, given } satisfies Question;
};

const byIndex = (index: OrganizationIndex, question: Question | null): boolean =>
  question !== null && evaluate(index, question).kind === 'allowed';

const withoutConditions = (rows: OrganizationRows): OrganizationRows => ({
  ...rows,
  grants: rows.grants.map((row) => {
    const bare: { condition?: unknown } = { ...row };
    delete bare.condition;
    return bare as GrantRow;
  }),
});

const compareModel = async (
  { oracle, sqlEvery }: Comparison,
  tally: Tally,
  policy: RandomPolicy,
  requests: readonly RandomRequest[],
): Promise<void> => {
  const { organizations, roles } = policy;
  const engines = organizations.map(({ rows }) => ({
    index: build(rows, roles),
    patched: grown(rows, roles),
    bare: build(withoutConditions(rows), roles),
  }));
  const casbin = await referenceEnforcer(policy);
  const expected: boolean[] = [];
  const asked = requests.map((request) => {
    const at = request.orgIndex % organizations.length;
    const [organization, engine] = [organizations[at], engines[at]];
    assert.ok(organization !== undefined && engine !== undefined);
    const question = questionOf(policy, engine.index, request, at);
    const terms = toTerms(request, organization);
    const isAllowed = terms !== null && casbin.allows(terms);
    if (byIndex(engine.index, question) !== isAllowed || byIndex(engine.patched, question) !== isAllowed)
      assert.fail(`Casbin ${isAllowed ? 'allows' : 'denies'} and the index does not: ${JSON.stringify(request)}`);
    tally.requests += 1;
    if (isAllowed) tally.allowed += 1;
    if (byIndex(engine.bare, question) !== isAllowed) tally.byCondition += 1;
    expected.push(isAllowed);
    return { request, orgId: organization.rows.orgId, attributes: terms?.attributes ?? '{}' };
  });
  tally.models += 1;
  if (tally.models % sqlEvery !== 0) return;
  const answers = await oracle.allows(policy, asked);
  for (const [number, answer] of answers.entries()) {
    if (answer === undefined) continue;
    tally.sql += 1;
    assert.equal(answer, expected[number], `SQL: ${JSON.stringify(requests[number])}`);
  }
};

/** How many requests are drawn for a policy; the others are made of their parts. */
const DRAWN = 40;

const partOf = (drawn: readonly RandomRequest[], number: number): RandomRequest => {
  const found = drawn[number % drawn.length];
  assert.ok(found !== undefined);
  return found;
};

/** Drawing is the slow part: who asks, what, where, when and with what said of it come from different draws. */
const recombined = (drawn: readonly RandomRequest[], size: number): readonly RandomRequest[] =>
  Array.from({ length: size }, (_, number) => {
    const round = Math.floor(number / drawn.length);
    return {
      ...partOf(drawn, number),
      action: partOf(drawn, number + round * 3).action,
      nowMs: partOf(drawn, number + round * 7).nowMs,
      given: partOf(drawn, number + round * 11).given,
    };
  });

/** @throws what fast-check throws at the first difference: the policy and the request, shrunk, and the seed */
export const compareEngines = async (comparison: Comparison): Promise<Tally> => {
  const { seed, models: numRuns, requestsPerModel: size } = comparison;
  const tally: Tally = { models: 0, requests: 0, allowed: 0, sql: 0, byCondition: 0 };
  const requests = fc.array(randomRequest, { minLength: DRAWN, maxLength: DRAWN });
  await fc.assert(
    fc.asyncProperty(randomPolicy, requests, async (policy, asked) => {
      await compareModel(comparison, tally, policy, recombined(asked, size));
      comparison.onProgress?.(tally);
    }),
    // Shrinking so many requests takes hours; the seed brings the same ones back.
    { seed, numRuns, endOnFailure: true },
  );
  return tally;
};

export const describeTally = ({ models, requests, allowed, sql, byCondition }: Tally): string =>
  `${String(requests)} requests on ${String(models)} policies, 0 differences between index, patched index and Casbin; ` +
  `${String(sql)} of them put to SQL as well; ${String(allowed)} allowed, ${String(byCondition)} turned by a condition`;
