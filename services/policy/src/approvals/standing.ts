import { AppError } from '@sallyport/errors';
import type { Principal, RequestContext } from '@sallyport/http';
import type { Clock, Validity } from '@sallyport/storage';
import type { CommitGuard, Lease, Standing } from '@sallyport/subject-feed';

/** What is known of who is active. */
export interface StandingKnowledge {
  readonly clock: Clock;
  readonly standing: Standing;
  readonly standingLease: Lease;
  readonly commitGuard: Pick<CommitGuard, 'enter'>;
}

/** Somebody who acted, and the epoch they did it in. */
export interface Acting {
  readonly id: string;
  readonly epoch: bigint;
}

/**
 * True while nothing has ended their access since they acted. An account that was closed and opened again is in another
 * epoch: what it asked for or agreed to before stays void.
 */
export const stands = ({ standing }: Pick<StandingKnowledge, 'standing'>, orgId: string, { id, epoch }: Acting) => {
  const known = standing.find(orgId, id);
  return known !== undefined && known.active && known.epoch === epoch;
};

/** The same, to be held until COMMIT: `tx.fence(standsAtCommit(…))`. */
export const standsAtCommit = (
  { clock, standingLease, commitGuard }: StandingKnowledge,
  orgId: string,
  { id: subjectId, epoch }: Acting,
): Validity => ({
  decidedAtMonotonicMs: clock.monotonicMs(),
  validForMs: standingLease.remainingMs(),
  hold: () => commitGuard.enter({ orgId, subjectId, epoch }),
});

/**
 * Only people agree to something, and nobody to what they asked for: not themselves, and not for a machine of theirs.
 *
 * @param involved who asked, and whoever is behind a machine that did
 * @throws SELF_APPROVAL
 */
export const assertSomebodyElse = (
  { type, subjectId }: Pick<Principal, 'type' | 'subjectId'>,
  involved: readonly string[],
): void => {
  if (type !== 'user') throw new AppError('SELF_APPROVAL', 'Only people decide about what others ask for.');
  if (involved.includes(subjectId))
    throw new AppError('SELF_APPROVAL', 'Nobody decides about what they asked for themselves.');
};

/** Who calls. @throws UNAUTHENTICATED */
export const callerOf = (context: RequestContext): Principal => {
  if (context.principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
  return context.principal;
};
