import { AppError } from '@sallyport/errors';
import { decodeCursor, encodeCursor, listOf, listQuery, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import {
  AUDITOR_RULE,
  administratorOf,
  id,
  isOver,
  populationOf,
  violationKey,
  violationsOf,
  type Violation,
} from '../grants/index.ts';
import { SUBJECT_TYPES, type OrganizationIndex } from '../model/index.ts';
import { createSeparationRule, deleteSeparationRule } from './manage-separation.ts';
import type { RoleRouteDependencies } from './routes.ts';
import type { StoredSeparationRule } from './separation-rule.ts';
import { listSeparationRules } from './separation-store.ts';
import { line } from './wire.ts';

const BASE = '/api/policy/v1';

const ruleShape = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  roles: z.array(z.string()),
  /** Auditor excludes whatever writes: no row, and nobody's to end. */
  builtIn: z.boolean(),
  createdAt: z.string().nullable(),
  createdBy: z.string().nullable(),
});

const newRuleShape = z.object({
  name: line.min(1).max(100),
  description: line.max(1_000).default(''),
  roles: z
    .array(z.string().min(1).max(100))
    .min(2)
    .max(20)
    .refine((keys) => new Set(keys).size === keys.length, 'every role once'),
});

const violationShape = z.object({
  rule: z.object({ id: z.string(), name: z.string() }),
  subject: z.object({ type: z.enum(SUBJECT_TYPES), id: z.string(), active: z.boolean().nullable() }),
  roles: z.array(z.string()),
  /** Where it comes from. */
  grants: z.array(z.object({ id: z.string(), role: z.string(), groupId: z.string().nullable() })),
});

const BUILT_IN_RULE: z.input<typeof ruleShape> = {
  id: AUDITOR_RULE.ruleId,
  name: AUDITOR_RULE.name,
  description: '',
  roles: [],
  builtIn: true,
  createdAt: null,
  createdBy: null,
};

const toRuleBody = (rule: StoredSeparationRule): z.input<typeof ruleShape> => ({
  id: rule.ruleId,
  name: rule.name,
  description: rule.description,
  roles: [...rule.roleKeys],
  builtIn: false,
  createdAt: rule.createdAt.toISOString(),
  createdBy: rule.createdBy,
});

/** What can be told of a violation from the index and the subject log. */
const toViolationBody = (
  { standing, clock }: RoleRouteDependencies,
  index: OrganizationIndex,
  { ruleId, ruleName, subjectType, subjectId, roleKeys }: Violation,
): z.input<typeof violationShape> => {
  const found = subjectType === 'group' ? undefined : standing.find(index.orgId, subjectId);
  const groupIds = found?.groupIds ?? [];
  const nowMs = clock.now().getTime();
  const grants = index.grants
    .map(({ row }) => row)
    .filter((row) => row.effect === 'allow' && roleKeys.includes(row.roleKey) && !isOver(row, nowMs))
    .filter((row) =>
      row.subjectType === 'group' && subjectType !== 'group'
        ? groupIds.includes(row.subjectId)
        : row.subjectType === subjectType && row.subjectId === subjectId,
    )
    .map(({ grantId, roleKey, subjectType: type, subjectId: holder }) => ({
      id: grantId,
      role: roleKey,
      groupId: type === 'group' ? holder : null,
    }));
  return {
    rule: { id: ruleId, name: ruleName },
    subject: { type: subjectType, id: subjectId, active: found?.active ?? null },
    roles: [...roleKeys],
    grants,
  };
};

const cursorShape = z.strictObject({ after: z.string().max(4_096) });

const violationsRoute = (dependencies: RoleRouteDependencies): Route =>
  route({
    method: 'GET',
    path: `${BASE}/separation-violations`,
    permission: 'grant:read',
    surface: 'api',
    summary: 'Who holds what excludes each other, mostly because groups of the identity provider changed.',
    query: listQuery,
    responses: { 200: listOf(violationShape) },
    handler: async ({ query: { limit, cursor }, context }) => {
      const { orgId } = administratorOf(context).principal;
      const index = dependencies.knowledge.organization(orgId);
      if (index === undefined) throw new AppError('UNAVAILABLE', 'The policy cannot be read right now.');
      const { after } = cursor === undefined ? { after: '' } : decodeCursor(cursorShape, cursor);
      const population = populationOf(dependencies.standing, orgId);
      const rest = violationsOf(index, population, dependencies.clock.now().getTime())
        .map((violation) => ({ key: violationKey(violation), violation }))
        .filter(({ key }) => key > after)
        .sort((left, right) => (left.key < right.key ? -1 : 1));
      const page = rest.slice(0, limit);
      const items = page.map(({ violation }) => toViolationBody(dependencies, index, violation));
      const last = rest.length > limit ? page.at(-1) : undefined;
      const nextCursor = last === undefined ? null : encodeCursor({ after: last.key });
      return await Promise.resolve({ status: 200, body: { items, nextCursor } });
    },
  });

/** Which roles exclude each other, and who holds some that do. */
export const separationRoutes = (dependencies: RoleRouteDependencies): Route[] => [
  route({
    method: 'GET',
    path: `${BASE}/separation-rules`,
    permission: 'role:read',
    surface: 'api',
    summary: 'Which roles nobody may hold together.',
    responses: { 200: z.object({ items: z.array(ruleShape), nextCursor: z.null() }) },
    handler: async ({ context }) => {
      const { orgId } = administratorOf(context).principal;
      const rules = await dependencies.db.read(orgId, async (tx) => await listSeparationRules(tx, orgId));
      return { status: 200, body: { items: [BUILT_IN_RULE, ...rules.map(toRuleBody)], nextCursor: null } };
    },
  }),
  route({
    method: 'POST',
    path: `${BASE}/separation-rules`,
    permission: 'role:manage',
    scope: 'deferred',
    surface: 'api',
    summary: 'From now on nobody is given two of these roles; who holds two already is listed as a violation.',
    body: newRuleShape,
    responses: { 201: ruleShape.extend({ violations: z.number() }), 409: null },
    handler: async ({ body: { roles: roleKeys, ...body }, context }) => {
      const made = await createSeparationRule(dependencies, administratorOf(context), { ...body, roleKeys });
      return { status: 201, body: { ...toRuleBody(made.rule), violations: made.violations } };
    },
  }),
  route({
    method: 'DELETE',
    path: `${BASE}/separation-rules/:ruleId`,
    permission: 'role:manage',
    scope: 'deferred',
    surface: 'api',
    summary: 'Ends a separation rule.',
    params: z.object({ ruleId: z.string() }),
    responses: { 204: null, 409: null },
    handler: async ({ params: { ruleId }, context }) => {
      const known = id.safeParse(ruleId);
      if (!known.success) throw new AppError('NOT_FOUND', 'There is no such separation rule.');
      await deleteSeparationRule(dependencies, administratorOf(context), known.data);
      return { status: 204 };
    },
  }),
  violationsRoute(dependencies),
];
