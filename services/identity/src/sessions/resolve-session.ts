import { isWellFormedSecret, secretHash, type Clock, type Database } from '@sallyport/storage';

import { SESSION_PREFIX } from './open-session.ts';
import { inactiveReason, TOUCH_MS, type InactiveReason, type SessionStanding } from './session.ts';
import { findSessionByTokenHash, touchSession } from './store.ts';

export type ResolvedSession =
  | { readonly active: true; readonly standing: SessionStanding }
  | { readonly active: false; readonly reason: InactiveReason };

/**
 * Who is behind a session token, as the primary says at this moment; account status and epoch are joined. Notes the
 * use, at most once a minute.
 */
export const resolveSession = async (
  { db, clock }: { readonly db: Database; readonly clock: Clock },
  token: string,
): Promise<ResolvedSession> => {
  if (!isWellFormedSecret(SESSION_PREFIX, token)) return { active: false, reason: 'MALFORMED' };
  const standing = await db.readAcrossOrganizations('a session token names no organisation', async (tx) => {
    return await findSessionByTokenHash(tx, secretHash(token));
  });
  if (standing === null) return { active: false, reason: 'UNKNOWN' };
  const now = clock.now();
  const reason = inactiveReason(standing, now);
  if (reason !== null) return { active: false, reason };
  const { orgId, id, lastUsedAt } = standing.session;
  if (now.getTime() - lastUsedAt.getTime() >= TOUCH_MS) {
    await db.unauditedWrite(orgId, 'last use of a session', async (tx) => {
      await touchSession(tx, { orgId, id, at: now, staleMs: TOUCH_MS });
    });
  }
  return { active: true, standing };
};
