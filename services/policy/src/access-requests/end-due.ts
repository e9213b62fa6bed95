import { newId } from '@sallyport/storage';

import { endedByItself, type AccessRequestDependencies } from './access-request.ts';
import { endRequest } from './answer-request.ts';
import { listPending } from './store.ts';

const BATCH = 500;

/**
 * Writes down which unanswered requests have ended by themselves: out of time, or of somebody whose access has ended.
 * Nobody can approve them before either; this is for the record. Says nothing about people while it cannot be told who
 * is active.
 *
 * @throws the first thing that went wrong, once everything else is done
 */
export const endDueRequests = async (dependencies: AccessRequestDependencies): Promise<void> => {
  const { db, standing, standingLease } = dependencies;
  const failures: unknown[] = [];
  let after: { readonly orgId: string; readonly requestId: string } | undefined;
  for (;;) {
    const last = after;
    const pending = await db.readAcrossOrganizations('unanswered access requests', (tx) =>
      listPending(tx, last, BATCH),
    );
    for (const request of pending) {
      const { orgId, requestId } = request;
      if (standingLease.remainingMs() <= 0 || standing.isStale(orgId)) continue;
      if (endedByItself(request, orgId, dependencies) === null) continue;
      const context = { orgId, actor: { type: 'system', id: 'policy' }, requestId: newId() } as const;
      // One that cannot be written down now holds up no other.
      await endRequest(dependencies, context, requestId).catch((error: unknown) => {
        failures.push(error);
      });
    }
    after = pending.at(-1);
    if (pending.length < BATCH) break;
  }
  if (failures.length > 0) throw failures[0];
};
