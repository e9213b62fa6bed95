import type { AuditContext, AuditLog } from '@sallyport/audit';
import type { Clock, Database } from '@sallyport/storage';

import type { Barrier, Settlement } from './barrier.ts';
import { listAbandonedReceipts, listPendingOf, takePendingReceipt } from './receipt-store.ts';

export interface ReceiptDependencies {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly barrier: Barrier;
}

/**
 * Waits until the end of access at `position` is in force everywhere, then records who knew when: one
 * `account.deactivation-effective` entry per subject. Whoever comes second finds the receipt written.
 */
export const settleAndRecord = async (
  { audit, clock, barrier }: Omit<ReceiptDependencies, 'db'>,
  context: AuditContext,
  position: bigint,
): Promise<Settlement> => {
  const settlement = await barrier.settle(context.orgId, position);
  await audit.mutate(context, async (tx) => {
    const pending = await takePendingReceipt(tx, context.orgId, position);
    if (pending === undefined) {
      tx.unchanged();
      return;
    }
    for (const { subjectId, epoch } of pending.subjects)
      tx.record({
        action: 'account.deactivation-effective',
        target: { type: 'account', id: subjectId },
        after: {
          position,
          epoch,
          cause: pending.cause,
          committedAt: pending.committedAt.toISOString(),
          effectiveAt: clock.now().toISOString(),
          by: settlement.by,
          waitedMs: Math.round(settlement.waitedMs),
          replicas: settlement.replicas.map(({ replicaId, bootId, ackedMs }) => ({
            id: replicaId,
            boot: bootId,
            ...(ackedMs === null ? { expired: true } : { ackedMs: Math.round(ackedMs) }),
          })),
          voided: pending.voided,
          requestId: pending.requestId,
          audit: pending.auditReceipts,
        },
      });
  });
  return settlement;
};

/**
 * For a request that found an account closed already: waits as long as somebody else's request still does, so that
 * no answer is given before the end of access is in force.
 */
export const settleEarlier = async (
  { db, barrier }: Pick<ReceiptDependencies, 'db' | 'barrier'>,
  orgId: string,
  subjectIds: readonly string[],
): Promise<void> => {
  for (const subjectId of subjectIds) {
    const positions = await db.read(orgId, (tx) => listPendingOf(tx, orgId, subjectId));
    const last = positions.at(-1);
    if (last !== undefined) await barrier.settle(orgId, last);
  }
};

const RESUME_BATCH = 100;

/** Writes the receipts that a process left behind when it died, or could not write. */
export const resumeReceipts = async (dependencies: ReceiptDependencies, olderThanMs: number): Promise<void> => {
  const abandoned = await dependencies.db.readAcrossOrganizations('receipts left behind', (tx) =>
    listAbandonedReceipts(tx, olderThanMs, RESUME_BATCH),
  );
  for (const { orgId, position, requestId } of abandoned)
    await settleAndRecord(dependencies, { orgId, actor: { type: 'system', id: 'identity' }, requestId }, position);
};
