import { AppError } from '@sallyport/errors';
import {
  decodeCursor,
  encodeCursor,
  type GrantedDecision,
  listOf,
  listQuery,
  type RequestContext,
  type Route,
  route,
  type Scope,
} from '@sallyport/http';
import type { Database } from '@sallyport/storage';
import { z } from 'zod';

import { type Caller, callerOf, type Decisions, readableEnvironments } from '../edge/index.ts';
import { keySchema } from '../vocabulary/index.ts';
import { type Environment, type Project, tierSchema } from './environment.ts';
import { resolveEnvironment, resolveProject } from './find-project.ts';
import {
  createEnvironment,
  createProject,
  editEnvironment,
  editProject,
  type ProjectDependencies,
} from './manage-projects.ts';
import { listEnvironments, listProjects } from './store.ts';

export interface ProjectRouteDependencies extends ProjectDependencies {
  readonly decisions: Decisions;
}

const BASE = '/api/flags/v1/projects';

const name = z.string().trim().min(1).max(200);
const description = z.string().max(2_000);
const approvals = z.int().min(0).max(10);

const projectParams = z.object({ project: keySchema });
const environmentParams = z.object({ project: keySchema, environment: keySchema });

const projectView = z.object({
  id: z.string(),
  key: z.string(),
  name: z.string(),
  description: z.string(),
  createdAt: z.string(),
});

export const environmentView = z.object({
  id: z.string(),
  key: z.string(),
  name: z.string(),
  tier: tierSchema,
  protected: z.boolean(),
  requiredApprovals: z.number(),
  /** Counts applied changes; as text, for it may grow beyond what a number holds exactly. */
  version: z.string(),
  createdAt: z.string(),
});

const viewProject = (project: Project): z.output<typeof projectView> => ({
  id: project.projectId,
  key: project.key,
  name: project.name,
  description: project.description,
  createdAt: project.createdAt.toISOString(),
});

const viewEnvironment = (environment: Environment): z.output<typeof environmentView> => ({
  id: environment.environmentId,
  key: environment.key,
  name: environment.name,
  tier: environment.tier,
  protected: environment.protected,
  requiredApprovals: environment.requiredApprovals,
  version: environment.version.toString(),
  createdAt: environment.createdAt.toISOString(),
});

/** The decision of the route's own permission: the pipeline had it before the handler ran. */
export const decisionOf = (context: RequestContext): GrantedDecision => {
  if (context.decision === null) throw new AppError('INTERNAL', 'The route was not decided.');
  return context.decision;
};

/** The scope of routes below one project. */
export const projectScope =
  (db: Database) =>
  async ({ params, principal }: { params: { project: string }; principal: { orgId: string } }): Promise<Scope> => {
    const { projectId } = await resolveProject(db, principal.orgId, params.project);
    return { projectId };
  };

/** The scope of routes below one environment. */
export const environmentScope =
  (db: Database) =>
  async ({
    params,
    principal,
  }: {
    params: { project: string; environment: string };
    principal: { orgId: string };
  }): Promise<Scope> => {
    const { projectId, environmentId } = await resolveEnvironment(db, principal.orgId, params);
    return { projectId, environmentId };
  };

// Leaves out what the caller left out, so that an edit changes only what it names.
const named = <T extends object>(edit: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(edit).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };

const readableProjects = async (
  { db, decisions }: ProjectRouteDependencies,
  caller: Caller,
  page: { readonly after: string; readonly limit: number },
): Promise<Project[]> => {
  const { orgId } = caller.subject;
  const readable: Project[] = [];
  let { after } = page;
  for (;;) {
    const found = await db.read(orgId, async (tx) => await listProjects(tx, orgId, { after, limit: page.limit }));
    const answers = await Promise.all(
      found.map(
        async ({ projectId }) =>
          await decisions.decide(caller.subject, 'project:read', { projectId }, caller.requestId),
      ),
    );
    readable.push(...found.filter((_, index) => answers[index]?.allowed === true));
    if (found.length < page.limit || readable.length >= page.limit) return readable.slice(0, page.limit);
    after = found.at(-1)?.key ?? after;
  }
};

const listProjectsRoute = (dependencies: ProjectRouteDependencies): Route =>
  route({
    method: 'GET',
    path: BASE,
    permission: 'project:read',
    surface: 'api',
    summary: 'The projects the caller may read, in the order of their keys.',
    query: listQuery,
    scope: 'deferred',
    responses: { 200: listOf(projectView) },
    handler: async ({ query, context }) => {
      const caller = callerOf(context);
      const after = query.cursor === undefined ? '' : decodeCursor(keySchema, query.cursor);
      const readable = await readableProjects(dependencies, caller, { after, limit: query.limit + 1 });
      const [one] = readable;
      // Says that something may be read here; who may read nothing is refused, and that is recorded.
      await caller.require('project:read', one === undefined ? {} : { projectId: one.projectId });
      const items = readable.slice(0, query.limit);
      const last = readable.length > query.limit ? items.at(-1) : undefined;
      const nextCursor = last === undefined ? null : encodeCursor(last.key);
      return { status: 200, body: { items: items.map(viewProject), nextCursor } };
    },
  });

const createProjectRoute = (dependencies: ProjectRouteDependencies): Route =>
  route({
    method: 'POST',
    path: BASE,
    permission: 'project:create',
    surface: 'api',
    summary: 'Creates a project. Its key never changes.',
    body: z.object({ key: keySchema, name, description: description.default('') }),
    responses: { 201: projectView, 409: null },
    handler: async ({ body, context }) => {
      const project = await createProject(dependencies, callerOf(context), body, decisionOf(context));
      return { status: 201, body: viewProject(project), headers: { location: `${BASE}/${project.key}` } };
    },
  });

const projectRoute = ({ db }: ProjectRouteDependencies): Route =>
  route({
    method: 'GET',
    path: `${BASE}/:project`,
    permission: 'project:read',
    surface: 'api',
    summary: 'One project.',
    params: projectParams,
    scope: projectScope(db),
    responses: { 200: projectView },
    handler: async ({ params, context }) => {
      const { orgId } = callerOf(context).subject;
      return { status: 200, body: viewProject(await resolveProject(db, orgId, params.project)) };
    },
  });

const editProjectRoute = (dependencies: ProjectRouteDependencies): Route =>
  route({
    method: 'PATCH',
    path: `${BASE}/:project`,
    permission: 'project:update',
    surface: 'api',
    summary: 'Changes the name or the description of a project.',
    params: projectParams,
    scope: projectScope(dependencies.db),
    body: z.object({ name: name.optional(), description: description.optional() }),
    responses: { 200: projectView, 409: null },
    handler: async ({ params, body, context }) => {
      const caller = callerOf(context);
      const { projectId } = await resolveProject(dependencies.db, caller.subject.orgId, params.project);
      const project = await editProject(dependencies, caller, { projectId, ...named(body) }, decisionOf(context));
      return { status: 200, body: viewProject(project) };
    },
  });

const listEnvironmentsRoute = ({ db, decisions }: ProjectRouteDependencies): Route =>
  route({
    method: 'GET',
    path: `${BASE}/:project/environments`,
    permission: 'environment:read',
    surface: 'api',
    summary: 'The environments of a project the caller may read.',
    params: projectParams,
    scope: 'deferred',
    responses: { 200: listOf(environmentView) },
    handler: async ({ params, context }) => {
      const caller = callerOf(context);
      const { orgId } = caller.subject;
      const { projectId } = await resolveProject(db, orgId, params.project);
      const environments = await db.read(orgId, async (tx) => await listEnvironments(tx, orgId, projectId));
      const place = { projectId, environments };
      const readable = await readableEnvironments(decisions, caller, 'environment:read', place);
      return { status: 200, body: { items: readable.map(viewEnvironment), nextCursor: null } };
    },
  });

const createEnvironmentRoute = (dependencies: ProjectRouteDependencies): Route =>
  route({
    method: 'POST',
    path: `${BASE}/:project/environments`,
    permission: 'environment:create',
    surface: 'api',
    summary: 'Creates an environment. Its key and its tier never change.',
    params: projectParams,
    scope: projectScope(dependencies.db),
    body: z
      .object({
        key: keySchema,
        name,
        tier: tierSchema,
        protected: z.boolean().default(false),
        requiredApprovals: approvals.default(0),
      })
      .refine((body) => body.protected || body.requiredApprovals === 0, {
        message: 'Only a protected environment demands approvals.',
        path: ['requiredApprovals'],
      }),
    responses: { 201: environmentView, 409: null },
    handler: async ({ params, body, context }) => {
      const caller = callerOf(context);
      const project = await resolveProject(dependencies.db, caller.subject.orgId, params.project);
      const environment = await createEnvironment(dependencies, caller, { project, ...body }, decisionOf(context));
      const location = `${BASE}/${project.key}/environments/${environment.key}`;
      return { status: 201, body: viewEnvironment(environment), headers: { location } };
    },
  });

const environmentRoute = ({ db }: ProjectRouteDependencies): Route =>
  route({
    method: 'GET',
    path: `${BASE}/:project/environments/:environment`,
    permission: 'environment:read',
    surface: 'api',
    summary: 'One environment.',
    params: environmentParams,
    scope: environmentScope(db),
    responses: { 200: environmentView },
    handler: async ({ params, context }) => {
      const { orgId } = callerOf(context).subject;
      return { status: 200, body: viewEnvironment(await resolveEnvironment(db, orgId, params)) };
    },
  });

const editEnvironmentRoute = (dependencies: ProjectRouteDependencies): Route =>
  route({
    method: 'PATCH',
    path: `${BASE}/:project/environments/:environment`,
    permission: 'environment:update',
    surface: 'api',
    summary: 'Changes the name, or raises the protection. Lowering it is refused to everybody.',
    params: environmentParams,
    scope: environmentScope(dependencies.db),
    body: z.object({
      name: name.optional(),
      protected: z.boolean().optional(),
      requiredApprovals: approvals.optional(),
    }),
    responses: { 200: environmentView, 409: null },
    handler: async ({ params, body, context }) => {
      const caller = callerOf(context);
      const { environmentId } = await resolveEnvironment(dependencies.db, caller.subject.orgId, params);
      const edit = { environmentId, ...named(body) };
      const environment = await editEnvironment(dependencies, caller, edit, decisionOf(context));
      return { status: 200, body: viewEnvironment(environment) };
    },
  });

/** Projects and environments under `/api/flags/v1/projects`. */
export const projectRoutes = (dependencies: ProjectRouteDependencies): Route[] => [
  listProjectsRoute(dependencies),
  createProjectRoute(dependencies),
  projectRoute(dependencies),
  editProjectRoute(dependencies),
  listEnvironmentsRoute(dependencies),
  createEnvironmentRoute(dependencies),
  environmentRoute(dependencies),
  editEnvironmentRoute(dependencies),
];
