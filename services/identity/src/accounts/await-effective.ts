import type { AuditContext } from '@sallyport/audit';

import type { IdentityContext } from '../context.ts';
import { settleAndRecord, settleEarlier } from '../subject-log/index.ts';
import type { Closed } from './deactivate.ts';

/**
 * Call it after the commit and before anybody is told that access has ended: returns when no enforcement point
 * anywhere allows these subjects any more, at most W (the lease's ttl × 1.05) later, and the receipt is written.
 *
 * `subjectIds` are all the request was about; those that somebody else closed a moment ago are waited for too. A
 * receipt that cannot be written now is written later from its note; the answer does not wait for that.
 */
export const awaitEffective = async (
  { audit, clock, db, feed, logger }: Pick<IdentityContext, 'audit' | 'clock' | 'db' | 'feed' | 'logger'>,
  context: AuditContext,
  closed: Closed,
  subjectIds: readonly string[],
): Promise<void> => {
  const dependencies = { audit, clock, db, barrier: feed.barrier };
  const position = closed.position();
  if (position !== undefined) {
    await settleAndRecord(dependencies, context, position).catch((error: unknown) => {
      // The barrier itself never fails, so access has ended everywhere; only its receipt is late.
      logger.error({ err: error, position: position.toString() }, 'a receipt could not be written yet');
    });
  }
  const done = new Set(closed.subjects.map(({ subjectId }) => subjectId));
  await settleEarlier(
    dependencies,
    closed.orgId,
    subjectIds.filter((id) => !done.has(id)),
  );
};
