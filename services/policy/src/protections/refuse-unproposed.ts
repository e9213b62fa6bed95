import { AppError } from '@sallyport/errors';
import type { ReadTx } from '@sallyport/storage';

import { reachesInto, type Reach } from './protection.ts';
import { allProtections } from './store.ts';

/** Approvals a change that reaches this far needs; 0: nobody else has to agree. */
export const approvalsRequired = async (tx: ReadTx, orgId: string, reach: Reach): Promise<number> =>
  (await allProtections(tx, orgId))
    .filter((protection) => reachesInto(protection, reach))
    .reduce((most, { requiredApprovals }) => Math.max(most, requiredApprovals), 0);

/** A change nobody else agreed to, where somebody else has to. To be asked under the lock of the organisation's head. */
export const refuseUnproposed = async (tx: ReadTx, orgId: string, reach: Reach): Promise<AppError | null> => {
  const required = await approvalsRequired(tx, orgId, reach);
  if (required === 0) return null;
  return new AppError(
    'APPROVAL_REQUIRED',
    'Roles are given and taken by more than one person here. Propose the change.',
    {
      metadata: { proposals: '/api/policy/v1/proposals', requiredApprovals: String(required) },
    },
  );
};
