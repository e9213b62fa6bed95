import { AppError } from '@sallyport/errors';
import {
  decodeCursor,
  encodeCursor,
  listOf,
  listQuery,
  type RequestContext,
  type Route,
  route,
  type RouteResponse,
} from '@sallyport/http';
import { z } from 'zod';

import { callerOf, environmentsWith, readableEnvironments } from '../edge/index.ts';
import { configurationSchema, findFlags, listFlags } from '../flags/index.ts';
import { resolveProjectWithEnvironments } from '../projects/index.ts';
import { keySchema } from '../vocabulary/index.ts';
import { loadChange } from './load-change.ts';
import { addFlagSchema, createFlagSchema, editFlagSchema, type OperationInput } from './operation.ts';
import { type ChangeDependencies, type ChangeSubmission, submitChange } from './submit-change.ts';
import { changeView, type FlagView, flagView, viewChange, viewFlag } from './view.ts';

const BASE = '/api/flags/v1/projects/:project/flags';

const projectParams = z.object({ project: keySchema });
const flagParams = z.object({ project: keySchema, flag: keySchema });
const placeParams = z.object({ project: keySchema, flag: keySchema, environment: keySchema });

/** Done: the flag as it is now (null once deleted), and the change set that did it. */
const done = z.object({
  status: z.enum(['applied', 'unchanged']),
  changeId: z.string().nullable(),
  flag: flagView.nullable(),
});
/** Not done yet: the change request that waits for approvals. */
const pending = z.object({ status: z.literal('pending'), change: changeView });

const noFlag = (key: string): AppError => new AppError('NOT_FOUND', `The project has no flag ${key}.`);

// After a write: shows no environment the caller may not read, and asks for nothing on the record.
const showFlag = async (
  { db, decisions }: ChangeDependencies,
  context: RequestContext,
  keys: { readonly project: string; readonly flag: string },
): Promise<FlagView | null> => {
  const caller = callerOf(context);
  const { orgId } = caller.subject;
  const { project, environments } = await resolveProjectWithEnvironments(db, orgId, keys.project);
  const { projectId } = project;
  const flags = await db.read(orgId, async (tx) => await findFlags(tx, orgId, projectId, [keys.flag]));
  const flag = flags.get(keys.flag);
  if (flag === undefined) return null;
  return viewFlag(flag, await environmentsWith(decisions, caller, 'flag:read', { projectId, environments }));
};

interface Write {
  readonly project: string;
  readonly flag: string;
  readonly title: string;
  readonly operations: readonly OperationInput[];
  readonly expected?: ChangeSubmission['expected'];
  /** Status when it was done at once. */
  readonly doneStatus: 200 | 201;
}

const submit = async (
  dependencies: ChangeDependencies,
  context: RequestContext,
  write: Write,
): Promise<RouteResponse> => {
  const { project, flag, title, operations, expected } = write;
  const caller = callerOf(context);
  const submission = { project, title, description: '', operations, ...(expected === undefined ? {} : { expected }) };
  const result = await submitChange(dependencies, caller, submission);
  if (result.status === 'pending') {
    const details = await loadChange(dependencies.db, caller.subject.orgId, { project, change: result.changeId });
    return { status: 202, body: { status: 'pending', change: viewChange(details) } };
  }
  const changeId = result.status === 'applied' ? result.changeId : null;
  const body = { status: result.status, changeId, flag: await showFlag(dependencies, context, { project, flag }) };
  return { status: write.doneStatus, body };
};

const listRoute = ({ db, decisions }: ChangeDependencies): Route =>
  route({
    method: 'GET',
    path: BASE,
    permission: 'flag:read',
    surface: 'api',
    summary:
      'Flags of a project in the order of their keys, with their state in every environment the caller may read.',
    params: projectParams,
    query: listQuery,
    scope: 'deferred',
    responses: { 200: listOf(flagView) },
    handler: async ({ params, query, context }) => {
      const caller = callerOf(context);
      const { orgId } = caller.subject;
      const { project, environments } = await resolveProjectWithEnvironments(db, orgId, params.project);
      const { projectId } = project;
      const readable = await readableEnvironments(decisions, caller, 'flag:read', { projectId, environments });
      const after = query.cursor === undefined ? '' : decodeCursor(keySchema, query.cursor);
      const page = { after, limit: query.limit + 1 };
      const found = await db.read(orgId, async (tx) => await listFlags(tx, orgId, projectId, page));
      const items = found.slice(0, query.limit).map((flag) => viewFlag(flag, readable));
      const nextCursor = found.length > query.limit ? encodeCursor(items.at(-1)?.key) : null;
      return { status: 200, body: { items, nextCursor } };
    },
  });

const readRoute = ({ db, decisions }: ChangeDependencies): Route =>
  route({
    method: 'GET',
    path: `${BASE}/:flag`,
    permission: 'flag:read',
    surface: 'api',
    summary: 'One flag, with its state in every environment the caller may read.',
    params: flagParams,
    scope: 'deferred',
    responses: { 200: flagView },
    handler: async ({ params, context }) => {
      const caller = callerOf(context);
      const { orgId } = caller.subject;
      const { project, environments } = await resolveProjectWithEnvironments(db, orgId, params.project);
      const { projectId } = project;
      const readable = await readableEnvironments(decisions, caller, 'flag:read', { projectId, environments });
      const flags = await db.read(orgId, async (tx) => await findFlags(tx, orgId, projectId, [params.flag]));
      const flag = flags.get(params.flag);
      if (flag === undefined) throw noFlag(params.flag);
      return { status: 200, body: viewFlag(flag, readable) };
    },
  });

const createRoute = (dependencies: ChangeDependencies): Route =>
  route({
    method: 'POST',
    path: BASE,
    permission: 'flag:create',
    surface: 'api',
    summary: 'Creates a flag, switched off, in the environments named (all of the project when none are named).',
    params: projectParams,
    scope: 'deferred',
    body: createFlagSchema.omit({ kind: true, flag: true }).extend({ key: keySchema }),
    responses: { 201: done, 202: pending, 409: null },
    handler: async ({ params, body, context }) => {
      const { key, ...flag } = body;
      return await submit(dependencies, context, {
        project: params.project,
        flag: key,
        title: `Create ${key}`,
        operations: [{ kind: 'create-flag', flag: key, ...flag }],
        doneStatus: 201,
      });
    },
  });

const editRoute = (dependencies: ChangeDependencies): Route =>
  route({
    method: 'PATCH',
    path: `${BASE}/:flag`,
    permission: 'flag:edit',
    surface: 'api',
    summary: 'Edits what a flag is everywhere; archiving (and restoring) needs flag:delete.',
    params: flagParams,
    scope: 'deferred',
    body: editFlagSchema.omit({ kind: true, flag: true }).extend({ archived: z.boolean().optional() }),
    responses: { 200: done, 202: pending, 409: null },
    handler: async ({ params, body, context }) => {
      const { project, flag } = params;
      const { archived, ...edit } = body;
      const operations: OperationInput[] = [];
      // An archived flag takes no edits, so restoring comes first and archiving last.
      if (archived === false) operations.push({ kind: 'restore-flag', flag });
      if (Object.values(edit).some((value) => value !== undefined))
        operations.push({ kind: 'edit-flag', flag, ...edit });
      if (archived === true) operations.push({ kind: 'archive-flag', flag });
      if (operations.length === 0) throw new AppError('INVALID_REQUEST', 'The edit names nothing to change.');
      return await submit(dependencies, context, { project, flag, title: `Edit ${flag}`, operations, doneStatus: 200 });
    },
  });

const deleteRoute = (dependencies: ChangeDependencies): Route =>
  route({
    method: 'DELETE',
    path: `${BASE}/:flag`,
    permission: 'flag:delete',
    surface: 'api',
    summary: 'Deletes an archived flag.',
    params: flagParams,
    scope: 'deferred',
    responses: { 200: done, 202: pending, 409: null },
    handler: async ({ params, context }) =>
      await submit(dependencies, context, {
        ...params,
        title: `Delete ${params.flag}`,
        operations: [{ kind: 'delete-flag', flag: params.flag }],
        doneStatus: 200,
      }),
  });

const addRoute = (dependencies: ChangeDependencies): Route =>
  route({
    method: 'POST',
    path: `${BASE}/:flag/environments`,
    permission: 'flag:create',
    surface: 'api',
    summary: 'Brings an existing flag into further environments, switched off.',
    params: flagParams,
    scope: 'deferred',
    body: addFlagSchema.omit({ kind: true, flag: true }),
    responses: { 200: done, 202: pending, 409: null },
    handler: async ({ params, body, context }) =>
      await submit(dependencies, context, {
        ...params,
        title: `Add ${params.flag} to ${body.environments.join(', ')}`,
        operations: [{ kind: 'add-flag', flag: params.flag, ...body }],
        doneStatus: 200,
      }),
  });

const configureBody = z
  .object({
    ...configurationSchema.partial().shape,
    /** The version looked at; another one by now is a 409 STALE_BASE. */
    baseVersion: z.int().min(1).optional(),
  })
  .refine(({ state, rules, defaultVariant }) => [state, rules, defaultVariant].some((value) => value !== undefined), {
    message: 'Name at least one of state, rules and defaultVariant.',
  });

const configureRoute = (dependencies: ChangeDependencies): Route =>
  route({
    method: 'PATCH',
    path: `${BASE}/:flag/environments/:environment`,
    permission: 'flag:toggle',
    surface: 'api',
    summary: 'Toggles (flag:toggle) or targets (flag:target) a flag in one environment. 202: a change request waits.',
    params: placeParams,
    scope: 'deferred',
    body: configureBody,
    responses: { 200: done, 202: pending, 409: null },
    handler: async ({ params, body, context }) => {
      const { project, flag, environment } = params;
      const { state, rules, defaultVariant, baseVersion } = body;
      const operations: OperationInput[] = [];
      if (rules !== undefined || defaultVariant !== undefined)
        operations.push({ kind: 'set-targeting', flag, environment, rules, defaultVariant });
      if (state !== undefined) operations.push({ kind: 'set-state', flag, environment, state });
      return await submit(dependencies, context, {
        project,
        flag,
        title: `Change ${flag} in ${environment}`,
        operations,
        ...(baseVersion === undefined ? {} : { expected: { flag, environment, version: baseVersion } }),
        doneStatus: 200,
      });
    },
  });

/** Flags under `/api/flags/v1/projects/:project/flags`. Every write is a change set. */
export const flagRoutes = (dependencies: ChangeDependencies): Route[] => [
  listRoute(dependencies),
  createRoute(dependencies),
  readRoute(dependencies),
  editRoute(dependencies),
  deleteRoute(dependencies),
  addRoute(dependencies),
  configureRoute(dependencies),
];
