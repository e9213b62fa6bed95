import type { Database } from '@sallyport/storage';

import { listLocalCandidates, type LocalCandidate } from './store.ts';

/** The active local account of this name; null when there is none, and when it could be more than one. */
export const findLocalAccount = async (
  db: Database,
  login: { readonly userNameKey: string; readonly organization: string | null },
): Promise<LocalCandidate | null> => {
  const candidates = await db.readAcrossOrganizations('who signs in has not said yet where', async (tx) => {
    return await listLocalCandidates(tx, { ...login, limit: 2 });
  });
  const [only, ...others] = candidates;
  return only === undefined || others.length > 0 ? null : only;
};
