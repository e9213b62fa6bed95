import type { AuditContext, AuditLog, JsonObject } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import type { Clock, Validity } from '@sallyport/storage';

import { lockHead, takeRevision, type GrantKnowledge } from '../grants/index.ts';
import type { Engine } from '../model/index.ts';
import { findEngine, putEngine } from './store.ts';

export interface ChangeEngineDependencies {
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly knowledge: Pick<GrantKnowledge, 'settled'>;
}

export interface EngineChange {
  readonly engine: Engine;
  readonly reason: string;
  readonly decision: JsonObject;
  /** The decision it rests on, when a person asked. */
  readonly fence?: Validity;
}

/**
 * Lets the index or Casbin decide for an organisation, on every replica; recorded.
 *
 * @returns false when it was so already
 * @throws NOT_FOUND when there is no such organisation
 */
export const changeEngine = async (
  { audit, clock, knowledge }: ChangeEngineDependencies,
  context: AuditContext,
  { engine, reason, decision, fence }: EngineChange,
): Promise<boolean> => {
  const { value } = await audit.mutate(context, async (tx) => {
    if (fence !== undefined) tx.fence(fence);
    if ((await lockHead(tx, tx.orgId)) === undefined) throw new AppError('NOT_FOUND', 'There is no such organisation.');
    const before = await findEngine(tx, tx.orgId);
    if (before === engine) {
      tx.unchanged();
      return false;
    }
    await putEngine(tx, tx.orgId, engine, clock.now());
    await takeRevision(tx);
    tx.record({
      action: 'decision-engine.changed',
      target: { type: 'organization', id: tx.orgId },
      before: { engine: before },
      after: { engine },
      reason,
      decision,
    });
    return true;
  });
  await knowledge.settled();
  return value;
};
