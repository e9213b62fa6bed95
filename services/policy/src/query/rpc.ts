import { AppError } from '@sallyport/errors';
import { grpcService, serverStream, unary, type GrpcService, type ServerCall } from '@sallyport/grpc';
import {
  QueryServiceService,
  type ExplainRequest,
  type ExplainResponse,
  type ListActionsRequest,
  type ListResourcesRequest,
  type ListSubjectsRequest,
  type PageOfList,
  type Subject,
  type WatchResponse,
} from '@sallyport/proto/policy/v1';
import { isId } from '@sallyport/storage';

import { toCheckResponse, type Asker, type Freshness } from '../decide/index.ts';
import type { Explain, GrantPath } from '../explain/index.ts';
import { LISTED_TYPES, SUBJECT_KINDS, type AskedSubject, type ListPage, type Lists } from '../lists/index.ts';
import type { Told, Watch } from '../watch/index.ts';
import { requireFresh } from './require-fresh.ts';

const ASKERS = ['identity', 'flags', 'operator'] as const;

export interface QueryDependencies {
  readonly lists: Lists;
  readonly explain: Explain;
  readonly watch: Watch;
  readonly freshness: Freshness;
}

const invalid = (detail: string): AppError => new AppError('INVALID_REQUEST', detail);

const subjectOf = (subject: Subject | undefined): AskedSubject => {
  if (subject === undefined) throw invalid('The question says about nobody.');
  return subject;
};

/** @throws INVALID_REQUEST for a type there is nothing of */
const typesOf = <T extends string>(known: readonly T[], types: readonly string[]): readonly T[] | undefined => {
  if (types.length === 0) return undefined;
  const unknown = types.find((type) => !known.some((each) => each === type));
  if (unknown !== undefined) throw invalid(`Types are: ${known.join(', ')}.`);
  return known.filter((each) => types.includes(each));
};

const pageOf = <T>({ nextCursor, revision, complete, total, asOfMs }: ListPage<T>): PageOfList => ({
  nextPageToken: nextCursor ?? '',
  revision,
  complete,
  total,
  asOf: new Date(asOfMs),
});

const pagingOf = (
  { pageSize, pageToken }: { readonly pageSize: number; readonly pageToken: string },
  { signal }: ServerCall,
) => ({ limit: pageSize === 0 ? undefined : pageSize, cursor: pageToken, signal });

const listActions = async ({ lists, freshness }: QueryDependencies, request: ListActionsRequest, call: ServerCall) => {
  const { orgId, subject, resource, context, actionProperties, atLeastAsFresh } = request;
  if (resource === undefined) throw invalid('The question does not say where.');
  await requireFresh(freshness, orgId, atLeastAsFresh, call);
  const { type, id, projectId, environmentId, properties } = resource;
  const page = await lists.actions({
    orgId,
    subject: subjectOf(subject),
    projectId,
    environmentId,
    resource: { type, id },
    given: { subject: subject?.properties, resource: properties, action: actionProperties, context },
    ...pagingOf(request, call),
  });
  return { page: pageOf(page), actions: page.items.map(({ action }) => action) };
};

const listResources = async (
  { lists, freshness }: QueryDependencies,
  request: ListResourcesRequest,
  call: ServerCall,
) => {
  const { orgId, subject, action, types, projectId, resourceProperties, context, actionProperties } = request;
  await requireFresh(freshness, orgId, request.atLeastAsFresh, call);
  const page = await lists.resources({
    orgId,
    subject: subjectOf(subject),
    action,
    types: typesOf(LISTED_TYPES, types),
    projectId,
    given: { subject: subject?.properties, resource: resourceProperties, action: actionProperties, context },
    ...pagingOf(request, call),
  });
  const resources = page.items.map((item) => ({ ...item, projectId: item.projectId ?? '', tier: item.tier ?? '' }));
  return { page: pageOf(page), resources };
};

const listSubjects = async (
  { lists, freshness }: QueryDependencies,
  request: ListSubjectsRequest,
  call: ServerCall,
) => {
  const { orgId, action, resource, types, subjectProperties, context, actionProperties } = request;
  if (resource === undefined) throw invalid('The question does not say where.');
  await requireFresh(freshness, orgId, request.atLeastAsFresh, call);
  const { type, id, projectId, environmentId, properties } = resource;
  const page = await lists.subjects({
    orgId,
    action,
    projectId,
    environmentId,
    types: typesOf(SUBJECT_KINDS, types),
    resource: { type, id },
    given: { subject: subjectProperties, resource: properties, action: actionProperties, context },
    ...pagingOf(request, call),
  });
  return { page: pageOf(page), subjects: page.items.map((item) => ({ ...item })) };
};

const toGrant = (grant: GrantPath): ExplainResponse['grant'] => ({
  grantId: grant.grantId,
  effect: grant.effect,
  role: grant.role,
  heldByType: grant.heldBy.type,
  heldById: grant.heldBy.id,
  scopeLevel: grant.level,
  projectId: grant.projectId ?? '',
  environmentId: grant.environmentId ?? '',
  tier: grant.tier ?? '',
  resourceType: grant.resourceType ?? '',
  validFrom: grant.validFromMs === null ? undefined : new Date(grant.validFromMs),
  validUntil: grant.validUntilMs === null ? undefined : new Date(grant.validUntilMs),
});

const explain = async (
  { explain: ask, freshness }: QueryDependencies,
  { check }: ExplainRequest,
  call: ServerCall,
): Promise<ExplainResponse> => {
  if (check?.subject === undefined || check.resource === undefined)
    throw invalid('There is nothing to explain: a question says about whom and where.');
  const { orgId, subject, resource, action, context, actionProperties, requestId } = check;
  await requireFresh(freshness, orgId, check.atLeastAsFresh ?? '', call);
  const asker: Asker = { kind: 'service', id: call.peer, requestId: requestId === '' ? call.requestId : requestId };
  const { projectId, environmentId, type, id, properties } = resource;
  const given = { subject: subject.properties, resource: properties, action: actionProperties, context };
  const told = await ask({ orgId, subject, action, projectId, environmentId, resource: { type, id }, given, asker });
  return {
    result: toCheckResponse(told.decision),
    cause: told.cause,
    adminText: told.adminText,
    subjectText: told.subjectText,
    grant: told.grant === null ? undefined : toGrant(told.grant),
    unmetProperties: [...told.unmetProperties],
    sufficientRoles: told.sufficientRoles.map((each) => ({
      role: each.role,
      scopeLevel: each.level,
      projectId: each.projectId ?? '',
      environmentId: each.environmentId ?? '',
    })),
  };
};

const toEvent = (change: Told['change']): WatchResponse['event'] => {
  if (change === null) return { $case: 'heartbeat', value: {} };
  if (change.standing)
    return { $case: 'change', value: { grantsRevision: 0n, grants: [], everything: false, standing: true } };
  const grants = change.grants.map((grant) => ({
    grantId: grant.grantId,
    subjectType: grant.subjectType ?? '',
    subjectId: grant.subjectId ?? '',
    role: grant.roleKey ?? '',
    projectId: grant.projectId ?? '',
    environmentId: grant.environmentId ?? '',
    gone: grant.subjectId === null,
  }));
  return {
    $case: 'change',
    value: { grantsRevision: change.revision, grants, everything: change.everything, standing: false },
  };
};

/** QueryService over gRPC. */
export const queryService = (dependencies: QueryDependencies): GrpcService =>
  grpcService(QueryServiceService, {
    listActions: { allow: ASKERS, handler: unary((request, call) => listActions(dependencies, request, call)) },
    listResources: { allow: ASKERS, handler: unary((request, call) => listResources(dependencies, request, call)) },
    listSubjects: { allow: ASKERS, handler: unary((request, call) => listSubjects(dependencies, request, call)) },
    explain: { allow: ASKERS, handler: unary((request, call) => explain(dependencies, request, call)) },
    watch: {
      allow: ASKERS,
      handler: serverStream(async ({ orgId, afterRevision }, stream, { signal }) => {
        if (!isId(orgId)) throw new AppError('NOT_FOUND', 'There is no such organisation.');
        await dependencies.watch({ orgId, after: afterRevision, signal }, async ({ revision, change }) => {
          await stream.write({ revision, event: toEvent(change) });
        });
      }),
    },
  });
