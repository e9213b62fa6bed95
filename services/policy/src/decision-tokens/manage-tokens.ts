import type { AuditContext, AuditLog, JsonObject } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { newId, newSecret, secretHash, type Clock, type Validity } from '@sallyport/storage';

import { lockHead, takeRevision, type GrantKnowledge } from '../grants/index.ts';
import { countTokens, insertToken, revokeToken, type DecisionTokenRecord } from './store.ts';

export const DECISION_TOKEN_PREFIX = 'sp_pdp_';

/** Of one organisation: each is in the memory of every replica. */
const MAX_TOKENS = 1_000;

export interface TokenDependencies {
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly knowledge: GrantKnowledge;
}

/** On whose word: the audit context, and the decision it rests on when a person asked. */
export interface TokenOrder {
  readonly context: AuditContext;
  readonly decision?: Validity & { readonly description: JsonObject };
}

const describe = ({ name, expiresAt }: DecisionTokenRecord): JsonObject => ({
  name,
  expiresAt: expiresAt?.toISOString() ?? null,
});

/**
 * Issues a decision token for the organisation of the audit context. The secret is returned once and stored hashed.
 *
 * @throws NOT_FOUND when there is no such organisation, INVALID_REQUEST for an expiry in the past, TOO_MANY
 */
export const issueDecisionToken = async (
  { audit, clock, knowledge }: TokenDependencies,
  { context, decision }: TokenOrder,
  { name, expiresAt }: { readonly name: string; readonly expiresAt: Date | null },
): Promise<{ readonly record: DecisionTokenRecord; readonly token: string }> => {
  const now = clock.now();
  if (expiresAt !== null && expiresAt <= now)
    throw new AppError('INVALID_REQUEST', 'A token expires in the future.', {
      fields: [{ pointer: '/expiresAt', code: 'IN_THE_PAST' }],
    });
  const token = newSecret(DECISION_TOKEN_PREFIX);
  const record = { tokenId: newId(), name, expiresAt, createdAt: now, createdBy: context.actor.id };
  await audit.mutate(context, async (tx) => {
    if (decision !== undefined) tx.fence(decision);
    if ((await lockHead(tx, tx.orgId)) === undefined) throw new AppError('NOT_FOUND', 'There is no such organisation.');
    if ((await countTokens(tx, tx.orgId)) >= MAX_TOKENS)
      throw new AppError('TOO_MANY', `At most ${String(MAX_TOKENS)} decision tokens: revoke what nobody uses.`);
    await insertToken(tx, tx.orgId, { ...record, hash: secretHash(token) });
    await takeRevision(tx);
    tx.record({
      action: 'decision-token.issued',
      target: { type: 'decision-token', id: record.tokenId },
      after: describe(record),
      ...(decision === undefined ? {} : { decision: decision.description }),
    });
  });
  await knowledge.settled();
  return { record, token };
};

/** Revokes a decision token; when this returns, this process refuses it. @throws NOT_FOUND */
export const revokeDecisionToken = async (
  { audit, clock, knowledge }: TokenDependencies,
  { context, decision }: TokenOrder,
  tokenId: string,
): Promise<void> => {
  await audit.mutate(context, async (tx) => {
    if (decision !== undefined) tx.fence(decision);
    await lockHead(tx, tx.orgId);
    const revoked = await revokeToken(tx, tx.orgId, tokenId, clock.now());
    if (revoked === undefined) throw new AppError('NOT_FOUND', 'There is no such decision token.');
    await takeRevision(tx);
    tx.record({
      action: 'decision-token.revoked',
      target: { type: 'decision-token', id: tokenId },
      before: describe(revoked),
      ...(decision === undefined ? {} : { decision: decision.description }),
    });
  });
  await knowledge.settled();
};
