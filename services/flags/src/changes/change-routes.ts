import { decodeCursor, encodeCursor, listOf, listQuery, type RequestContext, type Route, route } from '@sallyport/http';
import { z } from 'zod';

import { type Caller, callerOf, readableEnvironments } from '../edge/index.ts';
import { resolveProjectWithEnvironments } from '../projects/index.ts';
import { keySchema } from '../vocabulary/index.ts';
import { applyChange } from './apply-change.ts';
import { cancelChange } from './cancel-change.ts';
import type { Verdict } from './change.ts';
import { editChange } from './edit-change.ts';
import { loadChange } from './load-change.ts';
import { operationInputSchema } from './operation.ts';
import { reviewChange } from './review-change.ts';
import { approvalCounts, listChanges } from './store.ts';
import { type ChangeDependencies, submitChange } from './submit-change.ts';
import { changeView, type ChangeDetails, viewChange } from './view.ts';

const BASE = '/api/flags/v1/projects/:project/changes';

const projectParams = z.object({ project: keySchema });
const changeParams = z.object({ project: keySchema, change: z.uuid() });
type ChangeParams = z.output<typeof changeParams>;

const title = z.string().trim().min(1).max(200);
const description = z.string().max(5_000);
const operations = z.array(operationInputSchema).min(1).max(50);
const hash = z.string().regex(/^[0-9a-f]{64}$/, 'The hash is 64 lower-case hexadecimal digits.');
const comment = z.string().max(5_000).default('');

const submitted = z.object({ status: z.enum(['applied', 'pending', 'unchanged']), change: changeView.nullable() });

const show = async (
  { db }: ChangeDependencies,
  context: RequestContext,
  params: ChangeParams,
): Promise<z.output<typeof changeView>> => viewChange(await loadChange(db, callerOf(context).subject.orgId, params));

const listRoute = ({ db, decisions }: ChangeDependencies): Route =>
  route({
    method: 'GET',
    path: BASE,
    permission: 'change:read',
    surface: 'api',
    summary:
      'Change requests of a project, newest first. What was applied at once is not listed here but in the audit log.',
    params: projectParams,
    query: listQuery.extend({ state: changeView.shape.state.optional() }),
    scope: 'deferred',
    responses: { 200: listOf(changeView) },
    handler: async ({ params, query, context }) => {
      const caller = callerOf(context);
      const { orgId } = caller.subject;
      const { project, environments } = await resolveProjectWithEnvironments(db, orgId, params.project);
      const { projectId } = project;
      await readableEnvironments(decisions, caller, 'change:read', { projectId, environments });
      const before = query.cursor === undefined ? undefined : decodeCursor(z.uuid(), query.cursor);
      const found = await db.read(orgId, async (tx) => {
        const page = { projectId, state: query.state, before, limit: query.limit + 1 };
        const changes = await listChanges(tx, orgId, page);
        const details: ChangeDetails[] = [];
        for (const change of changes)
          details.push({ change, environments, counts: await approvalCounts(tx, orgId, change.changeId) });
        return details;
      });
      const items = found.slice(0, query.limit).map(viewChange);
      const nextCursor = found.length > query.limit ? encodeCursor(items.at(-1)?.id) : null;
      return { status: 200, body: { items, nextCursor } };
    },
  });

const createRoute = (dependencies: ChangeDependencies): Route =>
  route({
    method: 'POST',
    path: BASE,
    permission: 'change:create',
    surface: 'api',
    summary:
      'Several changes as one: all of them take effect or none. Waits for approvals where an environment demands them.',
    params: projectParams,
    scope: 'deferred',
    body: z.object({ title, description: description.default(''), changes: operations }),
    responses: { 200: submitted, 202: submitted, 409: null },
    handler: async ({ params, body, context }) => {
      const { project } = params;
      const submission = { project, title: body.title, description: body.description, operations: body.changes };
      const result = await submitChange(dependencies, callerOf(context), submission);
      if (result.status === 'unchanged') return { status: 200, body: { status: result.status, change: null } };
      const change = await show(dependencies, context, { project, change: result.changeId });
      return { status: result.status === 'pending' ? 202 : 200, body: { status: result.status, change } };
    },
  });

const readRoute = ({ db, decisions }: ChangeDependencies): Route =>
  route({
    method: 'GET',
    path: `${BASE}/:change`,
    permission: 'change:read',
    surface: 'api',
    summary: 'One change request: what it would change, on which versions, and who said what about it.',
    params: changeParams,
    scope: 'deferred',
    responses: { 200: changeView },
    handler: async ({ params, context }) => {
      const caller = callerOf(context);
      const details = await loadChange(db, caller.subject.orgId, params);
      const place = { projectId: details.change.projectId, environments: details.environments };
      await readableEnvironments(decisions, caller, 'change:read', place);
      return { status: 200, body: viewChange(details) };
    },
  });

const editRoute = (dependencies: ChangeDependencies): Route =>
  route({
    method: 'PATCH',
    path: `${BASE}/:change`,
    permission: 'change:create',
    surface: 'api',
    summary: 'Writes a new revision on the versions of now: every approval so far is void. Words alone void nothing.',
    params: changeParams,
    scope: 'deferred',
    body: z.object({ title: title.optional(), description: description.optional(), changes: operations.optional() }),
    responses: { 200: changeView, 409: null },
    handler: async ({ params, body, context }) => {
      const caller = callerOf(context);
      const { change } = await loadChange(dependencies.db, caller.subject.orgId, params);
      await editChange(dependencies, caller, change, {
        project: params.project,
        ...(body.title === undefined ? {} : { title: body.title }),
        ...(body.description === undefined ? {} : { description: body.description }),
        ...(body.changes === undefined ? {} : { operations: body.changes }),
      });
      return { status: 200, body: await show(dependencies, context, params) };
    },
  });

const reviewRoute = (
  dependencies: ChangeDependencies,
  { verdict, path, summary }: { readonly verdict: Verdict; readonly path: string; readonly summary: string },
): Route =>
  route({
    method: 'POST',
    path: `${BASE}/:change/${path}`,
    permission: 'change:review',
    surface: 'api',
    summary,
    params: changeParams,
    scope: 'deferred',
    body: z.object({ hash, comment }),
    responses: { 200: changeView, 409: null },
    handler: async ({ params, body, context }) => {
      const caller = callerOf(context);
      const details = await loadChange(dependencies.db, caller.subject.orgId, params);
      await reviewChange(dependencies, caller, details, { verdict, hash: body.hash, comment: body.comment });
      return { status: 200, body: await show(dependencies, context, params) };
    },
  });

type Act = (caller: Caller, details: ChangeDetails, hash: string | undefined) => Promise<void>;

const actRoute = (
  dependencies: ChangeDependencies,
  definition: { readonly path: string; readonly permission: string; readonly summary: string; readonly act: Act },
): Route =>
  route({
    method: 'POST',
    path: `${BASE}/:change/${definition.path}`,
    permission: definition.permission,
    surface: 'api',
    summary: definition.summary,
    params: changeParams,
    scope: 'deferred',
    body: z.object({ hash: hash.optional() }).optional(),
    responses: { 200: changeView, 409: null },
    handler: async ({ params, body, context }) => {
      const caller = callerOf(context);
      const details = await loadChange(dependencies.db, caller.subject.orgId, params);
      await definition.act(caller, details, body?.hash);
      return { status: 200, body: await show(dependencies, context, params) };
    },
  });

/** Change requests under `/api/flags/v1/projects/:project/changes`. */
export const changeRoutes = (dependencies: ChangeDependencies): Route[] => [
  listRoute(dependencies),
  createRoute(dependencies),
  readRoute(dependencies),
  editRoute(dependencies),
  reviewRoute(dependencies, {
    verdict: 'approve',
    path: 'approve',
    summary: 'Approves the revision with this hash. Nobody approves what they wrote.',
  }),
  reviewRoute(dependencies, {
    verdict: 'reject',
    path: 'reject',
    summary: 'Rejects the change request for good.',
  }),
  reviewRoute(dependencies, {
    verdict: 'request_changes',
    path: 'request-changes',
    summary: 'Objects: stops the change until the objector approves or a new revision is written.',
  }),
  actRoute(dependencies, {
    path: 'apply',
    permission: 'change:apply',
    summary: 'Applies an approved change request, all of it or nothing.',
    act: async (caller, { change, environments }, lookedAt) => {
      const application = lookedAt === undefined ? { change, environments } : { change, environments, hash: lookedAt };
      await applyChange(dependencies, caller, application);
    },
  }),
  actRoute(dependencies, {
    path: 'cancel',
    permission: 'change:create',
    summary: 'Withdraws the change request for good.',
    act: async (caller, details) => {
      await cancelChange(dependencies, caller, details);
    },
  }),
];
