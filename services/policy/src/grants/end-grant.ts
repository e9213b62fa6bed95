import type { AuditedTx, AuditEvent } from '@sallyport/audit';
import type { AppError } from '@sallyport/errors';

import { refuseUnproposed } from '../protections/index.ts';
import { lockPolicy, populationOf, takeRevision, type GrantDependencies } from './change-grants.ts';
import { describeGrant } from './grant.ts';
import { refuseLastOwner } from './rules.ts';
import { deleteGrantRow, findGrant } from './store.ts';

/** What the service does to a grant by itself, and on what it rests. */
export interface GrantEnd extends Pick<AuditEvent, 'reason' | 'approvalRef'> {
  readonly grantId: string;
  /** Whether somebody else agreed, where a protected scope demands it. */
  readonly isFourEyes: boolean;
}

/**
 * Ends a grant on nobody's authority, in the transaction of what demands it. An organisation keeps its last Owner all the
 * same, and a protected scope what nobody agreed to end.
 *
 * @returns the refusal, when there is one: then nothing was changed
 */
export const endGrant = async (
  tx: AuditedTx,
  { standing }: Pick<GrantDependencies, 'standing'>,
  { grantId, isFourEyes, ...why }: GrantEnd,
): Promise<'ended' | 'gone' | AppError> => {
  const policy = await lockPolicy(tx);
  const grant = await findGrant(tx, tx.orgId, grantId);
  if (grant === undefined) return 'gone';
  const refusal =
    refuseLastOwner(policy.before, policy.after({ remove: grantId }), populationOf(standing, tx.orgId)) ??
    (isFourEyes ? null : await refuseUnproposed(tx, tx.orgId, grant));
  if (refusal !== null) return refusal;
  await takeRevision(tx);
  await deleteGrantRow(tx, tx.orgId, grantId);
  tx.record({
    action: 'grant.ended',
    target: { type: 'grant', id: grantId },
    before: describeGrant(grant),
    ...why,
  });
  return 'ended';
};
