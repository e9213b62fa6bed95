import { Decision as WireDecision, type DecisionLogEntry } from '@sallyport/proto/policy/v1';
import { z } from 'zod';

import type { Recorded, RecordedGap } from './store.ts';

/** An entry over HTTP. */
export const entryShape = z.object({
  id: z.string(),
  decidedAt: z.string(),
  /** `id` is a pseudonym. */
  subject: z.object({ type: z.string(), id: z.string() }),
  action: z.string(),
  resource: z.object({ type: z.string(), id: z.string() }),
  place: z.string().nullable(),
  projectId: z.string().nullable(),
  environmentId: z.string().nullable(),
  decision: z.enum(['allow', 'deny']),
  reason: z.string(),
  matchedGrant: z.string().nullable(),
  matchedRole: z.string().nullable(),
  standingPosition: z.string(),
  grantsRevision: z.string(),
  policyHash: z.string().nullable(),
  latencyUs: z.number(),
  requestId: z.string(),
  asker: z.object({ kind: z.string(), id: z.string() }),
  /** 1: recorded whenever it happens; n: one of n was. */
  oneIn: z.number(),
});

export const toBody = (recorded: Recorded): z.input<typeof entryShape> => {
  const { entryId, decidedAt, subjectType, subject, resourceType, resourceId, allowed, askerKind, asker } = recorded;
  const { action, place, projectId, environmentId, reason, matchedGrant, matchedRole } = recorded;
  const { standingPosition, grantsRevision, policyHash, latencyUs, requestId, oneIn } = recorded;
  return {
    id: entryId,
    decidedAt: decidedAt.toISOString(),
    subject: { type: subjectType, id: subject },
    action,
    resource: { type: resourceType, id: resourceId },
    place,
    projectId,
    environmentId,
    decision: allowed ? 'allow' : 'deny',
    reason,
    matchedGrant,
    matchedRole,
    standingPosition,
    grantsRevision,
    policyHash,
    latencyUs,
    requestId,
    asker: { kind: askerKind, id: asker },
    oneIn,
  };
};

/** A gap over HTTP: how many entries of which kind are missing, as far as they could be counted. */
export const gapShape = z.object({
  id: z.string(),
  from: z.string(),
  until: z.string(),
  cause: z.enum(['overload', 'unwritable', 'process-ended']),
  denials: z.number(),
  productionWrites: z.number(),
  reads: z.number(),
});

export const toGapBody = (gap: RecordedGap): z.input<typeof gapShape> => ({
  id: gap.gapId,
  from: gap.fromAt.toISOString(),
  until: gap.untilAt.toISOString(),
  cause: gap.cause,
  denials: Number(gap.denials),
  productionWrites: Number(gap.productionWrites),
  reads: Number(gap.reads),
});

/** An entry over gRPC. */
export const toMessage = (recorded: Recorded): DecisionLogEntry => ({
  position: BigInt(recorded.position),
  entryId: recorded.entryId,
  decidedAt: recorded.decidedAt,
  subjectType: recorded.subjectType,
  subject: recorded.subject,
  action: recorded.action,
  resourceType: recorded.resourceType,
  resourceId: recorded.resourceId,
  place: recorded.place ?? '',
  projectId: recorded.projectId ?? '',
  environmentId: recorded.environmentId ?? '',
  decision: recorded.allowed ? WireDecision.DECISION_ALLOW : WireDecision.DECISION_DENY,
  reason: recorded.reason,
  matchedGrant: recorded.matchedGrant ?? '',
  matchedRole: recorded.matchedRole ?? '',
  standingPosition: BigInt(recorded.standingPosition),
  grantsRevision: BigInt(recorded.grantsRevision),
  policyHash: recorded.policyHash ?? '',
  latencyUs: recorded.latencyUs,
  requestId: recorded.requestId,
  askerKind: recorded.askerKind,
  asker: recorded.asker,
  oneIn: recorded.oneIn,
});
