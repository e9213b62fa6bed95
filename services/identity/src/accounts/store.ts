import { isUniqueViolation, statement, type ReadTx, type WriteTx } from '@sallyport/storage';

import { displayNameOf, emailsOf, type Account, type AccountStatus, type Profile, type Switches } from './account.ts';
import { foldCase } from './fold-case.ts';
import { searchDocumentOf } from './search-document.ts';

/** A row of `account` as it is read. */
export interface AccountRow {
  readonly org_id: string;
  readonly id: string;
  readonly kind: Account['kind'];
  readonly status: AccountStatus;
  readonly directory_active: boolean;
  readonly admin_hold: boolean;
  readonly connection_hold: boolean;
  readonly epoch: string;
  readonly break_glass: boolean;
  readonly connection_id: string | null;
  readonly external_id: string | null;
  readonly user_name: string;
  readonly display_name: string;
  readonly profile: Profile;
  readonly version: string;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly deactivated_at: Date | null;
}

export const COLUMNS = `org_id, id, kind, status, directory_active, admin_hold, connection_hold, epoch, break_glass,
  connection_id, external_id, user_name, display_name, profile, version, created_at, updated_at, deactivated_at`;

export const toAccount = (row: AccountRow): Account => ({
  orgId: row.org_id,
  id: row.id,
  kind: row.kind,
  status: row.status,
  directoryActive: row.directory_active,
  adminHold: row.admin_hold,
  connectionHold: row.connection_hold,
  epoch: BigInt(row.epoch),
  breakGlass: row.break_glass,
  connectionId: row.connection_id,
  externalId: row.external_id,
  userName: row.user_name,
  displayName: row.display_name,
  profile: row.profile,
  version: BigInt(row.version),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  deactivatedAt: row.deactivated_at,
});

export interface NewAccount {
  readonly orgId: string;
  readonly id: string;
  readonly kind: Account['kind'];
  readonly breakGlass: boolean;
  readonly connectionId: string | null;
  readonly externalId: string | null;
  readonly userName: string;
  readonly profile: Profile;
  readonly switches: Switches;
  readonly status: 'active' | 'inactive';
  readonly at: Date;
}

const replaceEmails = async (tx: WriteTx, orgId: string, id: string, profile: Profile): Promise<void> => {
  await tx.query(
    statement(`INSERT INTO account_email (org_id, account_id, email_key)
       SELECT $1, $2, key FROM unnest($3::text[]) AS key ON CONFLICT DO NOTHING`),
    [orgId, id, emailsOf(profile).map(foldCase)],
  );
};

/** Inserts an account. A clash of names surfaces as a unique violation: see {@link accountClash}. */
export const insertAccount = async (tx: WriteTx, account: NewAccount): Promise<Account> => {
  const inserted = tx.query<AccountRow>(
    statement(`INSERT INTO account (org_id, id, kind, status, directory_active, admin_hold, connection_hold, break_glass,
       connection_id, external_id, user_name, user_name_key, display_name, profile, created_at, updated_at,
       display_name_key, search_document)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $16, $17) RETURNING ${COLUMNS}`),
    [
      account.orgId,
      account.id,
      account.kind,
      account.status,
      account.switches.directoryActive,
      account.switches.adminHold,
      account.switches.connectionHold,
      account.breakGlass,
      account.connectionId,
      account.externalId,
      account.userName,
      foldCase(account.userName),
      displayNameOf(account.profile, account.userName),
      account.profile,
      account.at,
      foldCase(displayNameOf(account.profile, account.userName)),
      searchDocumentOf(account.profile),
    ],
  );
  const [[row]] = await Promise.all([inserted, replaceEmails(tx, account.orgId, account.id, account.profile)]);
  return toAccount(row as AccountRow);
};

/** Which unique name a failed write clashed on; undefined when the error is another one. */
export const accountClash = (error: unknown): 'userName' | 'externalId' | undefined => {
  if (isUniqueViolation(error, 'account_user_name')) return 'userName';
  return isUniqueViolation(error, 'account_external_id') ? 'externalId' : undefined;
};

/** Tombstones included. */
export const findAccount = async (tx: ReadTx, orgId: string, id: string): Promise<Account | undefined> => {
  const [row] = await tx.query<AccountRow>(statement(`SELECT ${COLUMNS} FROM account WHERE org_id = $1 AND id = $2`), [
    orgId,
    id,
  ]);
  return row === undefined ? undefined : toAccount(row);
};

/** Live accounts only, by the name people sign in with; case does not matter. */
export const findAccountByUserName = async (
  tx: ReadTx,
  orgId: string,
  userName: string,
): Promise<Account | undefined> => {
  const [row] = await tx.query<AccountRow>(
    `SELECT ${COLUMNS} FROM account WHERE org_id = $1 AND user_name_key = $2 AND status <> 'deleted'`,
    [orgId, foldCase(userName)],
  );
  return row === undefined ? undefined : toAccount(row);
};

/** Locks the rows to the end of the transaction, always in the same order, so that two doors never deadlock. */
export const lockAccounts = async (tx: WriteTx, orgId: string, ids: readonly string[]): Promise<Account[]> => {
  const rows = await tx.query<AccountRow>(
    statement(`SELECT ${COLUMNS} FROM account WHERE org_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE`),
    [orgId, ids],
  );
  return rows.map(toAccount);
};

export interface Standing extends Switches {
  readonly status: AccountStatus;
  readonly raiseEpoch: boolean;
  readonly at: Date;
}

/** Writes a new standing to a locked account. */
export const updateStanding = async (tx: WriteTx, account: Account, standing: Standing): Promise<Account> => {
  const [row] = await tx.query<AccountRow>(
    statement(`UPDATE account SET status = $3, directory_active = $4, admin_hold = $5, connection_hold = $6,
       epoch = epoch + $7, version = version + 1, updated_at = $8,
       deactivated_at = CASE WHEN $3 = 'active' THEN NULL ELSE coalesce(deactivated_at, $8) END
     WHERE org_id = $1 AND id = $2 RETURNING ${COLUMNS}`),
    [
      account.orgId,
      account.id,
      standing.status,
      standing.directoryActive,
      standing.adminHold,
      standing.connectionHold,
      standing.raiseEpoch ? 1 : 0,
      standing.at,
    ],
  );
  return toAccount(row as AccountRow);
};

export interface AccountAttributes {
  readonly userName: string;
  readonly externalId: string | null;
  readonly profile: Profile;
  readonly at: Date;
}

/** Writes attributes of a locked account and answers what the database now holds. */
export const updateAttributes = async (tx: WriteTx, account: Account, next: AccountAttributes): Promise<Account> => {
  const [row] = await tx.query<AccountRow>(
    statement(`UPDATE account SET user_name = $3, user_name_key = $4, external_id = $5, display_name = $6, profile = $7,
       version = version + 1, updated_at = $8, display_name_key = $9, search_document = $10
     WHERE org_id = $1 AND id = $2 RETURNING ${COLUMNS}`),
    [
      account.orgId,
      account.id,
      next.userName,
      foldCase(next.userName),
      next.externalId,
      displayNameOf(next.profile, next.userName),
      next.profile,
      next.at,
      foldCase(displayNameOf(next.profile, next.userName)),
      searchDocumentOf(next.profile),
    ],
  );
  await Promise.all([
    tx.query(statement('DELETE FROM account_email WHERE org_id = $1 AND account_id = $2'), [account.orgId, account.id]),
    replaceEmails(tx, account.orgId, account.id, next.profile),
  ]);
  return toAccount(row as AccountRow);
};

export interface AccountFilter {
  readonly status?: AccountStatus;
  readonly connectionId?: string;
  readonly kind?: Account['kind'];
  /** The whole name; case does not matter. */
  readonly userName?: string;
  /** Only ids after this one. */
  readonly after?: string;
  readonly limit: number;
}

/** In order of creation (ids are UUIDv7). Tombstones only when asked for. */
export const listAccounts = async (tx: ReadTx, orgId: string, filter: AccountFilter): Promise<Account[]> => {
  const rows = await tx.query<AccountRow>(
    `SELECT ${COLUMNS} FROM account
      WHERE org_id = $1 AND ($2::uuid IS NULL OR id > $2)
        AND (CASE WHEN $3::text IS NULL THEN status <> 'deleted' ELSE status = $3 END)
        AND ($4::uuid IS NULL OR connection_id = $4) AND ($5::text IS NULL OR kind = $5)
        AND ($6::text IS NULL OR user_name_key = $6)
      ORDER BY id LIMIT $7`,
    [
      orgId,
      filter.after ?? null,
      filter.status ?? null,
      filter.connectionId ?? null,
      filter.kind ?? null,
      filter.userName === undefined ? null : foldCase(filter.userName),
      filter.limit,
    ],
  );
  return rows.map(toAccount);
};

/** These accounts, in no particular order. */
export const listAccountsById = async (tx: ReadTx, orgId: string, ids: readonly string[]): Promise<Account[]> => {
  const rows = await tx.query<AccountRow>(`SELECT ${COLUMNS} FROM account WHERE org_id = $1 AND id = ANY($2::uuid[])`, [
    orgId,
    ids,
  ]);
  return rows.map(toAccount);
};

/** Up to `limit` accounts of a connection that a hold of it does not reach yet (or still reaches). */
export const listByConnectionHold = async (
  tx: ReadTx,
  key: { readonly orgId: string; readonly connectionId: string; readonly held: boolean; readonly limit: number },
): Promise<string[]> => {
  const rows = await tx.query<{ id: string }>(
    `SELECT id FROM account WHERE org_id = $1 AND connection_id = $2 AND status <> 'deleted' AND connection_hold = $3
      ORDER BY id LIMIT $4`,
    [key.orgId, key.connectionId, key.held, key.limit],
  );
  return rows.map(({ id }) => id);
};

/** How many local Owner accounts could sign in, not counting these. */
export const countOtherBreakGlass = async (tx: ReadTx, orgId: string, ids: readonly string[]): Promise<number> => {
  const [row] = await tx.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM account
      WHERE org_id = $1 AND break_glass AND status = 'active' AND NOT (id = ANY($2::uuid[]))`,
    [orgId, ids],
  );
  return row?.count ?? 0;
};

/** Takes accounts out of every group; the versions of those groups move on. */
export const deleteMemberships = async (
  tx: WriteTx,
  orgId: string,
  accountIds: readonly string[],
  at: Date,
): Promise<void> => {
  // Groups are locked before their memberships, in the order of their ids, as group changes do.
  const groups = await tx.query<{ id: string }>(
    `SELECT id FROM directory_group WHERE org_id = $1
        AND id IN (SELECT group_id FROM group_member WHERE org_id = $1 AND account_id = ANY($2::uuid[]))
      ORDER BY id FOR UPDATE`,
    [orgId, accountIds],
  );
  await tx.query('DELETE FROM group_member WHERE org_id = $1 AND account_id = ANY($2::uuid[])', [orgId, accountIds]);
  await tx.query(
    'UPDATE directory_group SET version = version + 1, updated_at = $3 WHERE org_id = $1 AND id = ANY($2::uuid[])',
    [orgId, groups.map(({ id }) => id), at],
  );
};

/** Locks the connection against being disabled until the transaction ends; false when it is disabled or gone. */
export const connectionAccepts = async (tx: WriteTx, orgId: string, connectionId: string): Promise<boolean> => {
  const rows = await tx.query<{ id: string }>(
    statement('SELECT id FROM connection WHERE org_id = $1 AND id = $2 AND enabled AND deleted_at IS NULL FOR SHARE'),
    [orgId, connectionId],
  );
  return rows.length === 1;
};
