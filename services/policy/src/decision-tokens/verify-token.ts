import { isWellFormedSecret, secretHash, type Clock } from '@sallyport/storage';

import type { GrantKnowledge } from '../grants/index.ts';
import { DECISION_TOKEN_PREFIX } from './manage-tokens.ts';

/** Who asks for decisions: a token, and the one organisation it is for. */
export interface DecisionClient {
  readonly orgId: string;
  readonly tokenId: string;
}

/**
 * The live token behind an Authorization header, from memory. Null when there is none.
 *
 * A token revoked elsewhere is refused here within the lease; until then every question it asks is answered by the
 * same, equally old, knowledge, and once that is too old to be used, with a denial.
 */
export const verifyDecisionToken = (
  knowledge: GrantKnowledge,
  clock: Clock,
  authorization: string | undefined,
): DecisionClient | null => {
  const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  if (token === undefined || !isWellFormedSecret(DECISION_TOKEN_PREFIX, token)) return null;
  const known = knowledge.snapshot.tokens.get(secretHash(token).toString('base64'));
  if (known === undefined) return null;
  if (known.expiresAtMs !== null && known.expiresAtMs <= clock.now().getTime()) return null;
  return { orgId: known.orgId, tokenId: known.tokenId };
};
