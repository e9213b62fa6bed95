import { AppError } from '@sallyport/errors';
import { sqlState, statement, type WriteTx } from '@sallyport/storage';

import { displayNameOf, emailsOf, statusOf, type Account } from './account.ts';
import { foldCase } from './fold-case.ts';
import { namesOf } from './names.ts';
import type { ProvisionAccount } from './provision-account.ts';
import { searchDocumentOf } from './search-document.ts';
import { COLUMNS, toAccount, type AccountRow } from './store.ts';

/** Somebody a directory announces, and the id they get if they are new. */
export interface Announced extends Omit<ProvisionAccount, 'connectionId'> {
  readonly id: string;
}

const CREATE = statement(`SELECT ${COLUMNS} FROM create_newcomers($1, $2, $3, $4)`);
const CONNECTION_DISABLED = 'SPCON';

const toRecord = ({ id, externalId, userName, profile, directoryActive }: Announced): object => {
  const displayName = displayNameOf(profile, userName);
  return {
    id,
    status: statusOf({ directoryActive, adminHold: false, connectionHold: false }),
    directory_active: directoryActive,
    external_id: externalId,
    user_name: userName,
    user_name_key: foldCase(userName),
    display_name: displayName,
    display_name_key: foldCase(displayName),
    profile,
    search_document: searchDocumentOf(profile),
    email_keys: emailsOf(profile).map(foldCase),
    names: namesOf({ userName, profile }),
  };
};

/**
 * Makes accounts of one connection for those of a list nobody here answers to, in one statement; their names are claimed
 * until the transaction ends. Answers what it made, in no order.
 *
 * @throws CONNECTION_DISABLED; a unique violation when somebody came in between by another way
 */
export const insertNewcomers = async (
  tx: WriteTx,
  key: { readonly orgId: string; readonly connectionId: string; readonly at: Date },
  people: readonly Announced[],
): Promise<Account[]> => {
  const list = JSON.stringify(people.map(toRecord));
  try {
    return (await tx.query<AccountRow>(CREATE, [key.orgId, key.connectionId, key.at, list])).map(toAccount);
  } catch (error) {
    if (sqlState(error) === CONNECTION_DISABLED)
      throw new AppError('CONNECTION_DISABLED', 'The connection is disabled.', { cause: error });
    throw error;
  }
};
