import type { VoidCredentials } from '../accounts/index.ts';
import { deleteArtifactsOf } from './artifact-store.ts';

/**
 * Deletes what the OpenID Provider issued, for the door: sessions, interactions, grants, codes, access and refresh
 * tokens; with scope `session` those that hang on the one browser session.
 */
export const voidProviderArtifacts: VoidCredentials = async (tx, { orgId, subjectIds, scope, sessionId }) => {
  if (scope === 'session' && sessionId === undefined) return 0;
  const browserSessionId = scope === 'session' ? (sessionId ?? null) : null;
  return await deleteArtifactsOf(tx, { orgId, accountIds: subjectIds, browserSessionId });
};
