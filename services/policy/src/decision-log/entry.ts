import { findTarget, type Asker, type Decision, type Made, type Refused } from '../decide/index.ts';
import { PERMISSIONS, PERMISSION_NAMES, type Place } from '../model/index.ts';

/** A decision on its way into the log: what it says, taken from the question, which may be large, and bounded. */
export interface Noted {
  readonly orgId: string;
  /** ms since 1970. */
  readonly atMs: number;
  readonly subjectType: string;
  readonly subjectId: string;
  readonly action: string;
  readonly resourceType: string;
  readonly resourceId: string;
  readonly place: Place | null;
  readonly projectId: string;
  readonly environmentId: string;
  readonly allowed: boolean;
  readonly reason: string;
  readonly matchedGrant: string | null;
  readonly matchedRole: string | null;
  readonly standingPosition: bigint;
  readonly grantsRevision: bigint;
  readonly policyHash: string | null;
  readonly latencyUs: number;
  readonly asker: Asker | undefined;
  /** 1: recorded whenever it happens; n: one of n was. */
  readonly oneIn: number;
}

/** Of what a caller sends, no more is kept. */
const MAX_CHARS = 256;

/** A copy when it is too long: a slice would hold all of it in memory. */
export const clipped = (text: unknown): string => {
  if (typeof text !== 'string') return '';
  return text.length <= MAX_CHARS ? text : Buffer.from(text.slice(0, MAX_CHARS), 'utf8').toString('utf8');
};

const WRITES: ReadonlySet<string> = new Set(PERMISSION_NAMES.filter((name) => PERMISSIONS[name].writes));

/** True for what is never sampled away although it was allowed. */
export const isProductionWrite = (action: string | undefined, place: Place | null | undefined): boolean =>
  place === 'production' && action !== undefined && WRITES.has(action);

/** Where it was asked about; null when that place is not known. */
const placeOf = ({ projectId, environmentId }: Refused, { index, place }: Made): Place | null => {
  if (place !== undefined) return place;
  if (index === undefined || typeof projectId !== 'string' || typeof environmentId !== 'string') return null;
  const target = findTarget(index, projectId, environmentId);
  return typeof target === 'string' ? null : target.place;
};

export interface Circumstances {
  readonly latencyUs: number;
  readonly policyHash: string | null;
  readonly oneIn: number;
}

/** What the log keeps of a decision: never properties, context, nor the explanation. */
export const noteOf = (
  request: Refused,
  decision: Decision,
  made: Made,
  { latencyUs, policyHash, oneIn }: Circumstances,
): Noted => ({
  orgId: clipped(request.orgId),
  atMs: made.wallMs,
  subjectType: clipped(request.subject?.type),
  subjectId: clipped(request.subject?.id),
  action: clipped(request.action),
  resourceType: clipped(request.resource?.type),
  resourceId: clipped(request.resource?.id),
  place: placeOf(request, made),
  projectId: clipped(request.projectId),
  environmentId: clipped(request.environmentId),
  allowed: decision.allowed,
  reason: decision.reason,
  matchedGrant: decision.matchedGrant,
  matchedRole: decision.matchedRole,
  standingPosition: decision.standingPosition,
  grantsRevision: decision.grantsRevision,
  policyHash,
  latencyUs,
  asker: request.asker,
  oneIn,
});
