import type { AuditContext } from '@sallyport/audit';
import { type DecisionClient, type DecisionSubject, decideWith } from '@sallyport/decision-client';
import { AppError, isAppError } from '@sallyport/errors';
import type { Decision, GrantedDecision, RequestContext, Scope } from '@sallyport/http';
import type { CommitGuard } from '@sallyport/subject-feed';

/** Asks policy; never cached, and every failure to get an answer is an error. A denial is an answer. */
export interface Decisions {
  /** @throws DECISION_UNAVAILABLE when no answer can be had */
  decide(subject: DecisionSubject, permission: string, scope: Scope, requestId: string): Promise<Decision>;
}

/** Decisions had from policy over gRPC; nothing commits on one whose subject's access has ended meanwhile. */
export const decisionsFrom = (client: Pick<DecisionClient, 'check'>, guard: Pick<CommitGuard, 'enter'>): Decisions => {
  const ask = decideWith(client);
  return {
    decide: async (subject, permission, scope, requestId) => ({
      ...(await ask(subject, permission, scope, { requestId })),
      hold: () => guard.enter(subject),
    }),
  };
};

/** Who runs a command, and how the command asks for what it needs. A value per request. */
export interface Caller {
  readonly subject: DecisionSubject;
  /** Of a machine: the people behind it, who own it or issued its credential. */
  readonly sponsors: readonly string[];
  readonly requestId: string;
  readonly audit: AuditContext;
  /** @throws PERMISSION_DENIED after recording the refused attempt; DECISION_UNAVAILABLE */
  require(permission: string, scope: Scope): Promise<GrantedDecision>;
}

/** @throws UNAUTHENTICATED when the request has no principal */
export const callerOf = (context: RequestContext): Caller => {
  const { principal } = context;
  if (principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
  return {
    subject: principal,
    sponsors: principal.sponsorIds ?? [],
    requestId: context.requestId,
    audit: context.auditContext(),
    require: async (permission, scope) => await context.require(permission, scope),
  };
};

interface Place {
  readonly projectId: string;
  readonly environment: { readonly environmentId: string; readonly key: string } | null;
}

/** Asks for a permission in one environment (or the project); a refusal says which environment it was. */
export const requireIn = async (caller: Caller, permission: string, place: Place): Promise<GrantedDecision> => {
  const { projectId, environment } = place;
  if (environment === null) return await caller.require(permission, { projectId });
  try {
    return await caller.require(permission, { projectId, environmentId: environment.environmentId });
  } catch (error) {
    if (!isAppError(error) || error.code !== 'PERMISSION_DENIED') throw error;
    const detail = `${error.message} (permission ${permission} in the environment ${environment.key})`;
    throw new AppError('PERMISSION_DENIED', detail, {
      cause: error,
      metadata: { ...error.metadata, environment: environment.key },
    });
  }
};

interface Candidates<E> {
  readonly projectId: string;
  readonly environments: readonly E[];
}

/** In which of these environments the caller holds a permission. Asks without recording: this is no attempt. */
export const environmentsWith = async <E extends { readonly environmentId: string }>(
  decisions: Decisions,
  caller: Caller,
  permission: string,
  { projectId, environments }: Candidates<E>,
): Promise<readonly E[]> => {
  const answers = await Promise.all(
    environments.map(async (environment) => {
      const scope = { projectId, environmentId: environment.environmentId };
      return await decisions.decide(caller.subject, permission, scope, caller.requestId);
    }),
  );
  return environments.filter((_, index) => answers[index]?.allowed === true);
};

/**
 * Which of these environments the caller may see. One that may see none is refused, and that refusal is recorded;
 * being refused some of them is no attempt worth recording.
 */
export const readableEnvironments = async <E extends { readonly environmentId: string; readonly key: string }>(
  decisions: Decisions,
  caller: Caller,
  permission: string,
  place: Candidates<E>,
): Promise<readonly E[]> => {
  const readable = await environmentsWith(decisions, caller, permission, place);
  const environment = readable[0] ?? place.environments[0] ?? null;
  await requireIn(caller, permission, { projectId: place.projectId, environment });
  return readable;
};

/** What an audit entry says about the decision it rests on. */
export const describeDecision = (decision: Decision): Record<string, string | null> => ({
  reason: decision.reason,
  grant: decision.matchedGrant ?? null,
  role: decision.matchedRole ?? null,
  policyRevision: decision.policyRevision,
});
