import type { VoidCredentials } from '../accounts/index.ts';
import { endSessions } from './store.ts';

/** Ends browser sessions for the door: all of the accounts, or the one named by scope `session`. */
export const voidSessions: VoidCredentials = async (tx, request) => {
  const { orgId, subjectIds, scope, sessionId, cause } = request;
  if (scope === 'session' && sessionId === undefined) return 0;
  return await endSessions(tx, {
    orgId,
    accountIds: subjectIds,
    sessionId: scope === 'session' ? (sessionId ?? null) : null,
    cause,
  });
};
