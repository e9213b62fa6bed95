import type { AuditContext } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { grpcService, unary, type GrpcService, type ServerCall } from '@sallyport/grpc';
import { ScopeServiceService, Tier as WireTier } from '@sallyport/proto/policy/v1';
import { isId } from '@sallyport/storage';
import { isIdentifier } from '@sallyport/subject-feed';

import type { Tier } from '../model/index.ts';
import { registerEnvironment, registerProject, type ScopeDependencies } from './register-scope.ts';

/** Only the owner of projects and environments registers them. */
const REGISTRARS = ['flags'] as const;

const invalid = (what: string): AppError => new AppError('INVALID_REQUEST', `The ${what} is not valid.`);

const idOf = (what: string, text: string): string => {
  if (!isId(text)) throw invalid(what);
  return text;
};

const keyOf = (text: string): string => {
  if (!isIdentifier(text)) throw invalid('key');
  return text;
};

/** An unknown tier is refused: it must never be taken for the harmless one. */
const tierOf = (tier: WireTier): Tier => {
  if (tier === WireTier.TIER_PRODUCTION) return 'production';
  if (tier === WireTier.TIER_NON_PRODUCTION) return 'non-production';
  throw invalid('tier');
};

const contextOf = (orgId: string, call: ServerCall): AuditContext => {
  if (!isId(orgId)) throw new AppError('NOT_FOUND', 'There is no such organisation.');
  return { orgId, actor: { type: 'system', id: call.peer }, requestId: call.requestId };
};

/** ScopeService over gRPC. */
export const scopeService = (dependencies: ScopeDependencies): GrpcService =>
  grpcService(ScopeServiceService, {
    putProject: {
      allow: REGISTRARS,
      handler: unary(async ({ orgId, projectId, key, deleted, sequence }, call) => ({
        grantsRevision: await registerProject(dependencies, contextOf(orgId, call), {
          projectId: idOf('project', projectId),
          key: keyOf(key),
          deleted,
          sequence,
        }),
      })),
    },
    putEnvironment: {
      allow: REGISTRARS,
      handler: unary(async (request, call) => ({
        grantsRevision: await registerEnvironment(dependencies, contextOf(request.orgId, call), {
          projectId: idOf('project', request.projectId),
          environmentId: idOf('environment', request.environmentId),
          key: keyOf(request.key),
          tier: tierOf(request.tier),
          deleted: request.deleted,
          sequence: request.sequence,
        }),
      })),
    },
  });
