import { AppError } from '@sallyport/errors';
import { route, type Route } from '@sallyport/http';
import { z } from 'zod';

import { administratorOf } from '../grants/index.ts';
import type { OrganizationIndex } from '../model/index.ts';
import { inTurns } from '../turns/index.ts';
import { answerShape, currentIndex, toSpotBody } from '../what-if/index.ts';
import { applyDocument, exportDocument, previewPlan, type DeskDependencies, type PlanPreview } from './desk.ts';
import { describeRow, type Operation, type Plan } from './plan.ts';
import { MAX_FILE_CHARS } from './read-yaml.ts';
import { runPolicyTests } from './run-tests.ts';

const BASE = '/api/policy/v1/policy';
/** Two files of the largest size; JSON writes some characters with two. */
const BODY_LIMIT_BYTES = 4 * 1024 * 1024;

const file = z.string().max(MAX_FILE_CHARS);

const sentShape = z.discriminatedUnion('format', [
  z.strictObject({ format: z.literal('yaml'), document: file }),
  z.strictObject({ format: z.literal('casbin'), document: file, model: z.string().max(64 * 1024) }),
]);

const applyShape = z.strictObject({ policy: sentShape, hash: z.string().max(64) });
const testShape = z.strictObject({ tests: file, policy: sentShape.optional() });

const operationShape = z.object({
  action: z.enum(['add', 'change', 'remove']),
  what: z.enum(['grant', 'mapping', 'role', 'separation-rule']),
  text: z.string(),
  /** Of the file; null for what is removed. */
  line: z.number().nullable(),
});

const planShape = z.object({
  revision: z.string(),
  hash: z.string(),
  operations: z.array(operationShape),
  ...answerShape.pick({ counts: true, blocked: true, lockOuts: true }).shape,
});

const appliedShape = z.object({ hash: z.string(), applied: z.number() });

const resultShape = z.object({
  name: z.string(),
  line: z.number(),
  passed: z.boolean(),
  expected: z.string(),
  decision: z.enum(['allow', 'deny']),
  reason: z.string(),
  explanation: z.string(),
  matchedGrant: z.string().nullable(),
});

const toOperation = (operation: Operation, index: OrganizationIndex): z.input<typeof operationShape> => {
  switch (operation.kind) {
    case 'put-role': {
      const { key, name } = operation.role;
      const action = operation.before === null ? 'add' : 'change';
      return { action, what: 'role', text: `${key} (${name})`, line: null };
    }
    case 'remove-role':
      return { action: 'remove', what: 'role', text: operation.role.key, line: null };
    case 'add-rule':
      return { action: 'add', what: 'separation-rule', text: operation.rule.name, line: operation.rule.line };
    case 'remove-rule':
      return { action: 'remove', what: 'separation-rule', text: operation.rule.name, line: null };
    case 'remove-grant': {
      const what = operation.isMapping ? 'mapping' : 'grant';
      return { action: 'remove', what, text: describeRow(operation.row, index), line: null };
    }
    case 'add-grant':
    default: {
      const { grant, replaces } = operation;
      const what = grant.source === 'mapping' ? 'mapping' : 'grant';
      return {
        action: replaces === null ? 'add' : 'change',
        what,
        text: describeRow(grant.row, index),
        line: grant.line,
      };
    }
  }
};

/** One entry for each change: what is taken away only to come back different is one change. */
const toOperations = ({ operations }: Plan, index: OrganizationIndex): z.input<typeof operationShape>[] => {
  const replaced = new Set(
    operations.flatMap((each) => (each.kind === 'add-grant' && each.replaces !== null ? [each.replaces.grantId] : [])),
  );
  return operations
    .filter((each) => each.kind !== 'remove-grant' || !replaced.has(each.row.grantId))
    .map((each) => toOperation(each, index));
};

const toPlanBody = ({ plan, index, counts, blocked, lockOuts }: PlanPreview): z.input<typeof planShape> => ({
  revision: String(plan.revision),
  hash: plan.hash,
  operations: toOperations(plan, index),
  counts: { ...counts },
  blocked: blocked.map((each) => ({ ...each })),
  lockOuts: lockOuts.map(toSpotBody),
});

const principalOf = <P>(principal: P | null): P => {
  if (principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
  return principal;
};

const exportRoute = (dependencies: DeskDependencies): Route =>
  route({
    method: 'GET',
    path: BASE,
    permission: 'grant:read',
    surface: 'api',
    summary: 'The policy as a YAML file: roles of its own, separation rules, group mappings, grants.',
    responses: { 200: z.object({ revision: z.string(), document: z.string() }) },
    handler: async ({ context }) => {
      const { revision, document } = await exportDocument(dependencies, principalOf(context.principal).orgId);
      return { status: 200, body: { revision: String(revision), document } };
    },
  });

const planRoute = (dependencies: DeskDependencies): Route =>
  route({
    method: 'POST',
    path: `${BASE}/plan`,
    permission: 'grant:read',
    surface: 'api',
    bodyLimitBytes: BODY_LIMIT_BYTES,
    summary: 'What would change if the policy were as this file says; nothing is changed.',
    body: sentShape,
    responses: { 200: planShape, 409: null },
    handler: async ({ body, context }) => ({
      status: 200,
      body: toPlanBody(await previewPlan(dependencies, principalOf(context.principal), body)),
    }),
  });

const applyRoute = (dependencies: DeskDependencies): Route =>
  route({
    method: 'POST',
    path: `${BASE}/apply`,
    permission: 'grant:read',
    scope: 'deferred',
    surface: 'api',
    bodyLimitBytes: BODY_LIMIT_BYTES,
    summary: 'Makes the policy what this file says, as it was planned: all of it or nothing.',
    body: applyShape,
    responses: { 200: appliedShape, 409: null },
    handler: async ({ body, context }) => {
      await context.require('grant:read', {});
      const order = { sent: body.policy, hash: body.hash };
      const { hash, operations } = await applyDocument(dependencies, administratorOf(context), order);
      return { status: 200, body: { hash, applied: operations.length } };
    },
  });

const testRoute = (dependencies: DeskDependencies): Route =>
  route({
    method: 'POST',
    path: `${BASE}/test`,
    permission: 'grant:read',
    surface: 'api',
    bodyLimitBytes: BODY_LIMIT_BYTES,
    summary: 'Runs policy tests on the policy as it is, or as a file says it should be.',
    body: testShape,
    responses: {
      200: z.object({ revision: z.string(), passed: z.number(), failed: z.number(), results: z.array(resultShape) }),
      409: null,
    },
    handler: async ({ body, context }) => {
      const principal = principalOf(context.principal);
      const { standing, clock, policyFiles } = dependencies;
      const index =
        body.policy === undefined
          ? currentIndex(dependencies, principal.orgId)
          : (await previewPlan(dependencies, principal, body.policy)).after;
      const tests = await policyFiles.readTests(principal.orgId, body.tests);
      const known = { standing: standing.view(principal.orgId), now: clock.now() };
      const results = (await inTurns(runPolicyTests(tests, index, known), clock)).map(({ isPassed, ...rest }) => ({
        ...rest,
        passed: isPassed,
      }));
      const passed = results.filter((each) => each.passed).length;
      const revision = String(index.revision);
      return { status: 200, body: { revision, passed, failed: results.length - passed, results } };
    },
  });

/** Policy as code over HTTP. */
export const policyAsCodeRoutes = (dependencies: DeskDependencies): Route[] => [
  exportRoute(dependencies),
  planRoute(dependencies),
  applyRoute(dependencies),
  testRoute(dependencies),
];
