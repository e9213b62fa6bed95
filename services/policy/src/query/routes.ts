/**
 * Lists and explanations for people. One's own questions need no permission: what somebody may do is theirs to know.
 * Questions about others, and about who may do something, need grant:read where they are about. A credential limited to
 * scopes asks as about others: it was not given to look around with.
 */
import { AppError } from '@sallyport/errors';
import { SELF, route, type Principal, type RequestContext, type Route, type Scope } from '@sallyport/http';

import { adminProperties, type Freshness } from '../decide/index.ts';
import type { GivenProperties } from '../conditions/index.ts';
import type { Explain, Explanation } from '../explain/index.ts';
import { knownScope, type GrantKnowledge } from '../grants/index.ts';
import type { AskedSubject, ListPage, Lists } from '../lists/index.ts';
import { requireFresh } from './require-fresh.ts';
import {
  actionsAnswer,
  actionsQuestion,
  explainAnswer,
  explainQuestion,
  resourcesAnswer,
  resourcesQuestion,
  subjectsAnswer,
  subjectsQuestion,
  type ActionsBody,
  type ExplainBody,
  type ResourcesBody,
  type SubjectsBody,
} from './shapes.ts';

const BASE = '/api/policy/v1';

export interface QueryRouteDependencies {
  readonly lists: Lists;
  readonly explain: Explain;
  readonly freshness: Freshness;
  readonly knowledge: GrantKnowledge;
}

interface Place {
  readonly projectId?: string | undefined;
  readonly environmentId?: string | undefined;
}

const principalOf = ({ principal }: RequestContext): Principal => {
  if (principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
  return principal;
};

/** The scope as the registry knows it. @throws NOT_FOUND */
const scopeOf = ({ knowledge }: QueryRouteDependencies, orgId: string, place: Place): Scope => {
  const { projectId, environmentId } = knownScope(knowledge.organization(orgId), {
    projectId: place.projectId ?? null,
    environmentId: place.environmentId ?? null,
  });
  return {
    ...(projectId === null ? {} : { projectId }),
    ...(environmentId === null ? {} : { environmentId }),
  };
};

interface Asked {
  readonly subject?:
    | { readonly type: string; readonly id: string; readonly properties?: object | undefined }
    | undefined;
  readonly resource?: { readonly properties?: Record<string, unknown> | undefined } | undefined;
  readonly context?: Record<string, unknown> | undefined;
}

/** Whom a question is about, and what is known of it. */
interface About {
  readonly isOwn: boolean;
  readonly subject: AskedSubject;
  readonly given: GivenProperties;
}

/** Somebody asks about itself as it is signed in now; about others with what is said of them. */
const aboutOf = (context: RequestContext, { subject, resource, context: said }: Asked): About => {
  const principal = principalOf(context);
  const { type, subjectId, epoch } = principal;
  const isOwn = subject === undefined || (subject.type === type && subject.id === subjectId);
  if (!isOwn)
    return {
      isOwn,
      // Nobody shows a credential of the subject here.
      subject: { type: subject.type, id: subject.id, epoch: 0n },
      given: { subject: { ...subject.properties }, resource: resource?.properties, context: said },
    };
  const own = adminProperties(principal, context.ip);
  return {
    isOwn,
    subject: { type, id: subjectId, epoch },
    given: { subject: own.subject, resource: resource?.properties, context: { ...said, ...own.context } },
  };
};

/** @throws PERMISSION_DENIED unless it is one's own question, or grant:read is held in the scope */
const requireSight = async (context: RequestContext, { isOwn }: About, scope: () => Scope): Promise<void> => {
  if (isOwn && principalOf(context).scopes.length === 0) return;
  await context.require('grant:read', scope());
};

const fresh = async (
  { freshness }: QueryRouteDependencies,
  context: RequestContext,
  token: string | undefined,
): Promise<void> => {
  await requireFresh(freshness, principalOf(context).orgId, token ?? '', context);
};

const toBody = <T extends object, R>(page: ListPage<T>, render: (item: T) => R) => {
  const { items, nextCursor, revision, complete, total, asOfMs } = page;
  return { items: items.map(render), nextCursor, revision, complete, total, asOf: new Date(asOfMs).toISOString() };
};

const copy = <T extends object>(item: T): T => ({ ...item });

const listActions = async (dependencies: QueryRouteDependencies, context: RequestContext, body: ActionsBody) => {
  const { orgId } = principalOf(context);
  const about = aboutOf(context, body);
  await fresh(dependencies, context, body.atLeastAsFresh);
  await requireSight(context, about, () => scopeOf(dependencies, orgId, body));
  const { subject, given } = about;
  const { projectId = '', environmentId = '', resource, limit, cursor } = body;
  const { signal } = context;
  return toBody(
    await dependencies.lists.actions({
      orgId,
      subject,
      projectId,
      environmentId,
      resource,
      given,
      limit,
      cursor,
      signal,
    }),
    copy,
  );
};

const listResources = async (dependencies: QueryRouteDependencies, context: RequestContext, body: ResourcesBody) => {
  const { orgId } = principalOf(context);
  const about = aboutOf(context, body);
  await fresh(dependencies, context, body.atLeastAsFresh);
  await requireSight(context, about, () => scopeOf(dependencies, orgId, body));
  const { subject, given } = about;
  const { action, types, projectId, limit, cursor } = body;
  const { signal } = context;
  return toBody(
    await dependencies.lists.resources({ orgId, subject, action, types, projectId, given, limit, cursor, signal }),
    copy,
  );
};

const listSubjects = async (dependencies: QueryRouteDependencies, context: RequestContext, body: SubjectsBody) => {
  const { orgId } = principalOf(context);
  await fresh(dependencies, context, body.atLeastAsFresh);
  await context.require('grant:read', scopeOf(dependencies, orgId, body));
  const { action, types, projectId = '', environmentId = '', resource, limit, cursor } = body;
  const given = { subject: body.subjectProperties, resource: resource?.properties, context: body.context };
  const { signal } = context;
  const page = await dependencies.lists.subjects({
    orgId,
    action,
    types,
    projectId,
    environmentId,
    resource,
    given,
    limit,
    cursor,
    signal,
  });
  return toBody(page, copy);
};

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

const detailsOf = ({ grant, unmetProperties, sufficientRoles }: Explanation) => {
  if (grant === null)
    return { grant, unmetProperties: [...unmetProperties], sufficientRoles: sufficientRoles.map(copy) };
  const { grantId, validFromMs, validUntilMs, heldBy, ...rest } = grant;
  const times = { validFrom: iso(validFromMs), validUntil: iso(validUntilMs) };
  return {
    grant: { id: grantId, heldBy: { ...heldBy }, ...rest, ...times },
    unmetProperties: [...unmetProperties],
    sufficientRoles: sufficientRoles.map(copy),
  };
};

const explainOne = async (dependencies: QueryRouteDependencies, context: RequestContext, body: ExplainBody) => {
  const { orgId, subjectId } = principalOf(context);
  const about = aboutOf(context, body);
  const isForSubject = about.isOwn && body.audience !== 'administrator';
  await fresh(dependencies, context, body.atLeastAsFresh);
  await requireSight(context, { ...about, isOwn: isForSubject }, () => scopeOf(dependencies, orgId, body));
  const { action, projectId = '', environmentId = '', resource } = body;
  const told = await dependencies.explain({
    orgId,
    subject: about.subject,
    action,
    projectId,
    environmentId,
    ...(resource === undefined ? {} : { resource: { type: resource.type, id: resource.id } }),
    given: about.given,
    asker: { kind: 'account', id: subjectId, requestId: context.requestId },
  });
  const { decision, cause, adminText, subjectText } = told;
  const isAdministrator = !isForSubject && body.audience !== 'subject';
  return {
    decision: decision.allowed ? ('allow' as const) : ('deny' as const),
    reason: decision.reason,
    cause,
    text: isAdministrator ? adminText : subjectText,
    policyRevision: decision.policyRevision,
    validForMs: decision.validForMs,
    details: isAdministrator ? detailsOf(told) : null,
  };
};

const SURFACE = { method: 'POST', surface: 'api' } as const;

/** Lists and explanations over HTTP. */
export const queryRoutes = (dependencies: QueryRouteDependencies): Route[] => [
  route({
    ...SURFACE,
    path: `${BASE}/list/actions`,
    permission: SELF,
    summary: 'What a subject may do here; about others with grant:read.',
    body: actionsQuestion,
    responses: { 200: actionsAnswer },
    handler: async ({ body, context }) => ({ status: 200, body: await listActions(dependencies, context, body) }),
  }),
  route({
    ...SURFACE,
    path: `${BASE}/list/resources`,
    permission: SELF,
    summary: 'In which organisation, projects and environments a subject may do this; about others with grant:read.',
    body: resourcesQuestion,
    responses: { 200: resourcesAnswer },
    handler: async ({ body, context }) => ({ status: 200, body: await listResources(dependencies, context, body) }),
  }),
  route({
    ...SURFACE,
    path: `${BASE}/list/subjects`,
    permission: 'grant:read',
    scope: 'deferred',
    summary: 'Who may do this here: active people and service accounts, by themselves or through groups.',
    body: subjectsQuestion,
    responses: { 200: subjectsAnswer },
    handler: async ({ body, context }) => ({ status: 200, body: await listSubjects(dependencies, context, body) }),
  }),
  route({
    ...SURFACE,
    path: `${BASE}/explain`,
    permission: SELF,
    summary: 'Why a decision comes out as it does and, for a denial, what is missing; about others with grant:read.',
    body: explainQuestion,
    responses: { 200: explainAnswer },
    handler: async ({ body, context }) => ({ status: 200, body: await explainOne(dependencies, context, body) }),
  }),
];
