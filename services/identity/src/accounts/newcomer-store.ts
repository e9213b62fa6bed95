import { statement, type ReadTx, type WriteTx } from '@sallyport/storage';

import { displayNameOf, emailsOf, statusOf, type Account } from './account.ts';
import { foldCase } from './fold-case.ts';
import { searchDocumentOf } from './search-document.ts';
import { COLUMNS, toAccount, type AccountRow, type NewAccount } from './store.ts';

/** What somebody is announced by. */
export interface Announced {
  readonly externalId: string | null;
  readonly userName: string;
}

/**
 * Of these, those whom anybody here may answer to: a living account by the user name, or by the identifier the
 * connection's IdP gave it; or a tombstone of the connection by that identifier, or by the user name if it had none.
 */
export const findKnown = async <Person extends Announced>(
  tx: ReadTx,
  key: { readonly orgId: string; readonly connectionId: string },
  people: readonly Person[],
): Promise<Set<Person>> => {
  const rows = await tx.query<{ name: string | null; external_id: string | null }>(
    statement('SELECT name, external_id FROM known_people($1, $2, $3, $4)'),
    [
      key.orgId,
      key.connectionId,
      people.map(({ userName }) => foldCase(userName)),
      people.flatMap(({ externalId }) => externalId ?? []),
    ],
  );
  const [names, ids] = [new Set(rows.map(({ name }) => name)), new Set(rows.map((row) => row.external_id))];
  return new Set(
    people.filter(
      ({ externalId, userName }) => names.has(foldCase(userName)) || (externalId !== null && ids.has(externalId)),
    ),
  );
};

const toRecord = ({ profile, userName, ...account }: NewAccount): object => {
  const displayName = displayNameOf(profile, userName);
  return {
    id: account.id,
    kind: account.kind,
    status: statusOf(account.switches),
    directory_active: account.switches.directoryActive,
    external_id: account.externalId,
    user_name: userName,
    user_name_key: foldCase(userName),
    display_name: displayName,
    display_name_key: foldCase(displayName),
    profile,
    search_document: searchDocumentOf(profile),
    email_keys: emailsOf(profile).map(foldCase),
  };
};

/** Inserts accounts of one connection, all or none, in one statement; in their order. @throws a unique violation */
export const insertAccounts = async (
  tx: WriteTx,
  key: { readonly orgId: string; readonly connectionId: string; readonly at: Date },
  accounts: readonly NewAccount[],
): Promise<Account[]> => {
  const rows = await tx.query<AccountRow>(
    statement(`WITH given AS (
         SELECT * FROM json_to_recordset($4::json) AS g (id uuid, kind text, status text, directory_active boolean,
           external_id text, user_name text, user_name_key text, display_name text, display_name_key text,
           profile jsonb, search_document jsonb, email_keys text[])),
       made AS (
         INSERT INTO account (org_id, id, kind, status, directory_active, admin_hold, connection_hold, break_glass,
             connection_id, external_id, user_name, user_name_key, display_name, profile, created_at, updated_at,
             display_name_key, search_document)
           SELECT $1, id, kind, status, directory_active, false, false, false, $2, external_id, user_name,
             user_name_key, display_name, profile, $3, $3, display_name_key, search_document FROM given
           RETURNING ${COLUMNS}),
       addressed AS (
         INSERT INTO account_email (org_id, account_id, email_key)
           SELECT DISTINCT $1::uuid, id, key FROM given, unnest(email_keys) AS key)
       SELECT ${COLUMNS} FROM made`),
    [key.orgId, key.connectionId, key.at, JSON.stringify(accounts.map(toRecord))],
  );
  const made = new Map(rows.map((row) => [row.id, toAccount(row)]));
  return accounts.flatMap(({ id }) => made.get(id) ?? []);
};
