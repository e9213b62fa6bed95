import { systemClock } from '@sallyport/storage';

import type { VoidCredentials } from '../accounts/index.ts';
import { deleteArtifactsOf } from './artifact-store.ts';
import { insertNoticesOfSessions } from './logout-notice-store.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** How long an application is told about a logout: as long as a session there may live that began with ours. */
export const NOTICE_LIFE_MS = DAY_MS;

/**
 * Deletes what the OpenID Provider issued, for the door: sessions, interactions, grants, codes, access and refresh
 * tokens; with scope `session` those that hang on the one browser session. Whoever has to be told is noted before, in
 * the same transaction.
 */
export const voidProviderArtifacts: VoidCredentials = async (tx, { orgId, subjectIds, scope, sessionId, cause }) => {
  if (scope === 'session' && sessionId === undefined) return 0;
  const browserSessionId = scope === 'session' ? (sessionId ?? null) : null;
  const which = { orgId, accountIds: subjectIds, browserSessionId };
  const now = systemClock.now();
  const expiresAt = new Date(now.getTime() + NOTICE_LIFE_MS);
  await insertNoticesOfSessions(tx, { ...which, cause, now, expiresAt });
  return await deleteArtifactsOf(tx, which);
};
