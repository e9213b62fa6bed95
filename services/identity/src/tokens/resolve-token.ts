import type { Principal } from '@sallyport/http';
import { isWellFormedSecret, secretHash, type Clock, type Database } from '@sallyport/storage';

import type { InactiveReason } from '../sessions/index.ts';
import { TOKEN_PREFIX } from './issue-token.ts';
import { findTokenByHash, touchToken, type ApiTokenStanding } from './store.ts';

const TOUCH_MS = 60_000;

/** True when a bearer value claims to be an API token. */
export const isApiToken = (bearer: string): boolean => bearer.startsWith(TOKEN_PREFIX);

const inactiveReason = (standing: ApiTokenStanding, now: Date): InactiveReason | null => {
  const { token, accountStatus, accountEpoch } = standing;
  if (token.revokedAt !== null) return 'ENDED';
  if (now >= token.expiresAt) return 'EXPIRED';
  if (accountStatus !== 'active' || !standing.hasStandingOwner) return 'ACCOUNT_INACTIVE';
  return accountEpoch === token.epochAtIssue ? null : 'EPOCH_RAISED';
};

const principalOf = ({ token, accountType, displayName, orgSlug, sponsorIds }: ApiTokenStanding): Principal => ({
  orgId: token.orgId,
  orgSlug,
  subjectId: token.accountId,
  type: accountType,
  epoch: token.epochAtIssue,
  credentialType: 'api_token',
  credentialId: token.id,
  scopes: token.scopes,
  authenticatedAt: token.createdAt,
  expiresAt: token.expiresAt,
  displayName,
  ...(sponsorIds.length === 0 ? {} : { sponsorIds }),
});

export type ResolvedToken =
  | { readonly active: true; readonly principal: Principal }
  | { readonly active: false; readonly reason: InactiveReason };

/**
 * Who is behind an API token, as the primary says at this moment; account status and epoch are joined. Notes the use,
 * at most once a minute.
 */
export const resolveToken = async (
  { db, clock }: { readonly db: Database; readonly clock: Clock },
  secret: string,
): Promise<ResolvedToken> => {
  if (!isWellFormedSecret(TOKEN_PREFIX, secret)) return { active: false, reason: 'MALFORMED' };
  const standing = await db.readAcrossOrganizations('an API token names no organisation', async (tx) => {
    return await findTokenByHash(tx, secretHash(secret));
  });
  if (standing === null) return { active: false, reason: 'UNKNOWN' };
  const now = clock.now();
  const reason = inactiveReason(standing, now);
  if (reason !== null) return { active: false, reason };
  const { orgId, id, lastUsedAt } = standing.token;
  if (lastUsedAt === null || now.getTime() - lastUsedAt.getTime() >= TOUCH_MS) {
    await db.unauditedWrite(orgId, 'last use of an API token', async (tx) => {
      await touchToken(tx, orgId, id, now);
    });
  }
  return { active: true, principal: principalOf(standing) };
};
