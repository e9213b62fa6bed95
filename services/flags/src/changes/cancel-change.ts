import { AppError } from '@sallyport/errors';
import type { GrantedDecision } from '@sallyport/http';

import { type Caller, describeDecision, requireIn } from '../edge/index.ts';
import type { Environment } from '../projects/index.ts';
import { type Change, permits } from './change.ts';
import { onlyEnvironment } from './describe-change.ts';
import type { ChangeDependencies } from './submit-change.ts';
import { lockChange, setState } from './store.ts';

/** Withdraws a change request for good. @throws CONFLICT when it is closed, PERMISSION_DENIED, DECISION_UNAVAILABLE */
export const cancelChange = async (
  { audit, clock }: ChangeDependencies,
  caller: Caller,
  { change, environments }: { readonly change: Change; readonly environments: readonly Environment[] },
): Promise<void> => {
  const { changeId, projectId, revision, content } = change;
  const { orgId } = caller.subject;
  const ids = new Set(content.environments.map(({ environmentId }) => environmentId));
  const touched = environments.filter(({ environmentId }) => ids.has(environmentId));
  const granted: GrantedDecision[] = [];
  for (const environment of touched.length === 0 ? [null] : touched)
    granted.push(await requireIn(caller, 'change:create', { projectId, environment }));
  await audit.mutate(caller.audit, async (tx) => {
    for (const decision of granted) tx.fence(decision);
    const locked = await lockChange(tx, orgId, changeId);
    if (locked === undefined || !permits(locked.state, 'cancel'))
      throw new AppError('CONFLICT', 'The change request is closed.');
    await setState(tx, orgId, { changeId, state: 'cancelled', at: clock.now() });
    tx.record({
      action: 'change.cancelled',
      target: { type: 'change', id: changeId, version: String(revision) },
      before: { state: locked.state },
      after: { state: 'cancelled' },
      ...onlyEnvironment(content),
      ...(granted[0] === undefined ? {} : { decision: describeDecision(granted[0]) }),
    });
  });
};
