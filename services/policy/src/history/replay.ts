/**
 * Could they do it then, and why: what decided at a moment is put together again from history, and the very decision
 * the service makes is made on it.
 */
import { AppError } from '@sallyport/errors';
import type { ReadTx } from '@sallyport/storage';
import type { SubjectStanding } from '@sallyport/subject-feed';

import { DecisionPoint, type Decision, type DecisionRequest } from '../decide/index.ts';
import { compileRaw } from '../grants/index.ts';
import { BUILT_IN_ROLES, type Engine, type OrganizationIndex } from '../model/index.ts';
import {
  changedAt,
  findBuiltInRoles,
  findFront,
  findGrantOrigin,
  findMomentAfter,
  findMomentAt,
  findMomentOfGrants,
  findMomentOfStanding,
  findPastStanding,
  readPastOrganization,
  type GrantOrigin,
  type Moment,
  type PastStanding,
} from './store.ts';

/** What a decision says it rests on: `<org>@s<standing position>.g<grants revision>`. */
export interface PolicyRevision {
  readonly standingPosition: bigint;
  readonly grantsRevision: bigint;
}

export interface ReplayQuestion {
  readonly request: DecisionRequest;
  /** When it was decided; times and conditions are looked at as of then. */
  readonly at: Date;
  /** Of the decision to replay; null: whatever was noted by then. */
  readonly revision: PolicyRevision | null;
}

export interface Replay {
  readonly decision: Decision;
  /** The grant that decided, and the group it came through; null when none did. */
  readonly path: {
    readonly grantId: string;
    readonly roleKey: string;
    readonly effect: 'allow' | 'deny';
    readonly projectId: string | null;
    readonly environmentId: string | null;
    readonly throughGroupId: string | null;
    readonly origin: GrantOrigin | null;
  } | null;
  /** Nothing that decides changed in between; null: it is so still. */
  readonly since: Date;
  readonly until: Date | null;
  /** False when the standing of this revision was not written down, and the subject changed about then or may have. */
  readonly isExact: boolean;
  /** What decided in this organisation then; the answer is the index's. */
  readonly engine: Engine;
}

const unavailable = (detail: string): AppError => new AppError('HISTORY_UNAVAILABLE', detail);

const noHistory = (): AppError =>
  unavailable('What decided then is not kept: it is before the first kept moment of this organisation.');

/** The moments grants and standing are taken from. */
interface Moments {
  readonly grants: Moment;
  readonly standing: Moment;
  readonly revision: PolicyRevision;
}

const findMoments = async (tx: ReadTx, orgId: string, { at, revision }: ReplayQuestion): Promise<Moments> => {
  const noted = await findMomentAt(tx, orgId, at);
  if (noted === undefined) throw noHistory();
  if (revision === null) {
    const { standingPosition, grantsRevision } = noted;
    return { grants: noted, standing: noted, revision: { standingPosition, grantsRevision } };
  }
  if (revision.grantsRevision > (await findFront(tx, orgId)).grantsRevision)
    throw unavailable('There has been no such revision yet.');
  const position = { position: revision.standingPosition, generation: noted.standingGeneration };
  const grants = await findMomentOfGrants(tx, orgId, revision.grantsRevision);
  const standing = await findMomentOfStanding(tx, orgId, position);
  if (grants === undefined || standing === undefined) throw noHistory();
  return { grants, standing, revision };
};

/**
 * The copy of the subject log is written behind memory, several entries at a time. Between two written positions nobody
 * knows at which of them a subject changed; whoever did not change with the next is known all the same.
 */
const isStandingExact = async (
  tx: ReadTx,
  orgId: string,
  { standing, revision }: Moments,
  subjectId: string,
): Promise<boolean> => {
  if (revision.standingPosition === standing.standingPosition) return true;
  let next = await findMomentAfter(tx, orgId, standing);
  while (next !== undefined && next.standingPosition === standing.standingPosition)
    next = await findMomentAfter(tx, orgId, next);
  if (next === undefined) return revision.standingPosition <= (await findFront(tx, orgId)).standingPosition;
  if (next.standingGeneration !== standing.standingGeneration) return true;
  return !(await changedAt(tx, orgId, next, subjectId));
};

const indexAt = async (
  tx: ReadTx,
  orgId: string,
  { grants, revision }: Moments,
  { at, subjectIds }: { readonly at: Date; readonly subjectIds: readonly string[] },
): Promise<OrganizationIndex> => {
  const raw = await readPastOrganization(tx, orgId, grants.moment, subjectIds);
  if (raw === undefined) throw noHistory();
  const roles = (await findBuiltInRoles(tx, at)) ?? BUILT_IN_ROLES;
  const compiled = compileRaw({ ...raw, revision: revision.grantsRevision.toString() }, roles);
  if (!compiled.ok) throw unavailable('Stored rows of that time make no sense: an older state decided then.');
  return compiled.index;
};

/** Long enough for any answer; what is decided here is acted upon by nobody. */
const AS_LONG_AS_YOU_LIKE = Number.MAX_SAFE_INTEGER;

const decideThen = (
  { request, at }: ReplayQuestion,
  index: OrganizationIndex,
  standing: PastStanding | undefined,
  { standingPosition }: PolicyRevision,
): Decision => {
  const subjects = new Map<string, SubjectStanding>();
  if (standing !== undefined) {
    const { removedEpoch, ...rest } = standing;
    subjects.set(request.subject.id, removedEpoch === 0n ? rest : { ...rest, removedEpoch });
  }
  const known = { position: standingPosition, subjects };
  const point = new DecisionPoint({
    knowledge: {
      look: () => ({ index, standing: known, standingMs: AS_LONG_AS_YOU_LIKE, grantsMs: AS_LONG_AS_YOU_LIKE }),
    },
    clock: { now: () => at, monotonicMs: () => 0 },
  });
  return point.decide(request);
};

const pathOf = async (
  tx: ReadTx,
  orgId: string,
  moment: Moment,
  { index, matchedGrant }: { readonly index: OrganizationIndex; readonly matchedGrant: string | null },
): Promise<Replay['path']> => {
  const row = index.grants.find((grant) => grant.row.grantId === matchedGrant)?.row;
  if (row === undefined) return null;
  const { grantId, roleKey, effect, projectId, environmentId, subjectType, subjectId } = row;
  const origin = (await findGrantOrigin(tx, orgId, moment.moment, grantId)) ?? null;
  const throughGroupId = subjectType === 'group' ? subjectId : null;
  return { grantId, roleKey, effect, projectId, environmentId, throughGroupId, origin };
};

/**
 * Replays a decision.
 *
 * With the revision a decision carried, it is the one that was made: the same rows, the same code, the same reason.
 * Without it, what was noted by `at` decides; a change is noted before its commit and decides once replicas know of it,
 * so a decision made within that time of a change may have rested on the state before it.
 *
 * @throws HISTORY_UNAVAILABLE before the first kept moment, and where the rows of the time make no sense
 */
export const replay = async (tx: ReadTx, question: ReplayQuestion): Promise<Replay> => {
  const { orgId, subject } = question.request;
  const moments = await findMoments(tx, orgId, question);
  const standing = await findPastStanding(tx, orgId, moments.standing.moment, subject.id);
  const subjectIds = [subject.id, ...(standing?.groupIds ?? [])];
  const index = await indexAt(tx, orgId, moments, { at: question.at, subjectIds });
  const decision = decideThen(question, index, standing, moments.revision);
  const last = moments.grants.moment > moments.standing.moment ? moments.grants : moments.standing;
  return {
    decision,
    path: await pathOf(tx, orgId, moments.grants, { index, matchedGrant: decision.matchedGrant }),
    since: last.notedAt,
    until: (await findMomentAfter(tx, orgId, last))?.notedAt ?? null,
    isExact: await isStandingExact(tx, orgId, moments, subject.id),
    engine: index.engine,
  };
};
