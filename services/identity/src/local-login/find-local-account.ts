import type { Database } from '@sallyport/storage';

import { listLocalCandidates, type LocalCandidate } from './store.ts';

interface LocalName {
  readonly userNameKey: string;
  readonly organization: string | null;
}

/** Active local accounts of this name, of every organisation or of one; at most `limit`. */
export const listLocalAccounts = async (db: Database, name: LocalName, limit: number): Promise<LocalCandidate[]> =>
  await db.readAcrossOrganizations('who signs in has not said yet where', async (tx) => {
    return await listLocalCandidates(tx, { ...name, limit });
  });

/** The active local account of this name; null when there is none, and when it could be more than one. */
export const findLocalAccount = async (db: Database, name: LocalName): Promise<LocalCandidate | null> => {
  const [only, ...others] = await listLocalAccounts(db, name, 2);
  return only === undefined || others.length > 0 ? null : only;
};
