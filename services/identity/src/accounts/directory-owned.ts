import { AppError } from '@sallyport/errors';
import type { ReadTx } from '@sallyport/storage';

import { findDirectory } from './name-store.ts';

/**
 * What a directory provisions is changed in the directory and nowhere else: otherwise its next change would undo ours,
 * or ours its.
 *
 * @throws READ_ONLY naming the connection while its directory is on
 */
export const refuseDirectoryOwned = async (
  tx: ReadTx,
  owned: { readonly orgId: string; readonly connectionId: string | null },
): Promise<void> => {
  if (owned.connectionId === null) return;
  const directory = await findDirectory(tx, owned.orgId, owned.connectionId);
  if (directory === undefined) return;
  throw new AppError('READ_ONLY', `The directory of the connection "${directory.name}" owns this: change it there.`, {
    metadata: { owner: 'directory', connectionId: directory.id },
  });
};
