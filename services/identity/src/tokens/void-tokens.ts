import type { VoidCredentials } from '../accounts/index.ts';
import { revokeTokens } from './store.ts';

/** Revokes API tokens for the door. One that only ends a browser session leaves them: no token hangs on a session. */
export const voidApiTokens: VoidCredentials = async (tx, { orgId, subjectIds, scope }) => {
  if (scope === 'session') return 0;
  return (await revokeTokens(tx, { orgId, accountIds: subjectIds, tokenId: null })).length;
};
