import type { ReadTx, WriteTx } from '@sallyport/storage';

import type { FactorOwner, Passkey } from './factor.ts';

type Key = Pick<FactorOwner, 'orgId' | 'accountId'>;

/** A passkey with what its signatures are checked against. */
export interface StoredPasskey extends Passkey {
  readonly orgId: string;
  readonly accountId: string;
  readonly credentialId: Buffer;
  readonly publicKey: Buffer;
  readonly signCount: number;
  readonly transports: readonly string[];
}

interface PasskeyRow {
  readonly org_id: string;
  readonly id: string;
  readonly account_id: string;
  readonly credential_id: Buffer;
  readonly public_key: Buffer;
  readonly sign_count: string;
  readonly transports: string[];
  readonly multi_device: boolean;
  readonly name: string;
  readonly created_at: Date;
  readonly last_used_at: Date | null;
}

const COLUMNS = `org_id, id, account_id, credential_id, public_key, sign_count, transports, multi_device, name,
  created_at, last_used_at`;

const toPasskey = (row: PasskeyRow): StoredPasskey => ({
  orgId: row.org_id,
  id: row.id,
  accountId: row.account_id,
  credentialId: row.credential_id,
  publicKey: row.public_key,
  signCount: Number(row.sign_count),
  transports: row.transports,
  isSynced: row.multi_device,
  name: row.name,
  createdAt: row.created_at,
  lastUsedAt: row.last_used_at,
});

export interface NewPasskey extends Omit<StoredPasskey, 'lastUsedAt'> {
  readonly isBackedUp: boolean;
  readonly aaguid: string;
}

/** False when the authenticator is registered already, here or anywhere else. */
export const insertPasskey = async (tx: WriteTx, passkey: NewPasskey): Promise<boolean> => {
  const rows = await tx.query<{ id: string }>(
    `INSERT INTO passkey (org_id, id, account_id, credential_id, public_key, sign_count, transports, backed_up,
       multi_device, aaguid, name, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     ON CONFLICT ON CONSTRAINT passkey_credential_once DO NOTHING RETURNING id`,
    [
      passkey.orgId,
      passkey.id,
      passkey.accountId,
      passkey.credentialId,
      passkey.publicKey,
      passkey.signCount,
      passkey.transports,
      passkey.isBackedUp,
      passkey.isSynced,
      passkey.aaguid,
      passkey.name,
      passkey.createdAt,
    ],
  );
  return rows.length > 0;
};

/** By the id authenticators send, which names no organisation. */
export const findPasskeyByCredentialId = async (tx: ReadTx, credentialId: Buffer): Promise<StoredPasskey | null> => {
  const [row] = await tx.query<PasskeyRow>(`SELECT ${COLUMNS} FROM passkey WHERE credential_id = $1`, [credentialId]);
  return row === undefined ? null : toPasskey(row);
};

/** All of an account, oldest first. */
export const listPasskeys = async (tx: ReadTx, { orgId, accountId }: Key): Promise<StoredPasskey[]> => {
  const rows = await tx.query<PasskeyRow>(
    `SELECT ${COLUMNS} FROM passkey WHERE org_id = $1 AND account_id = $2 ORDER BY id`,
    [orgId, accountId],
  );
  return rows.map(toPasskey);
};

/**
 * Notes a use. False when the counter did not move on since it was read: of two answers with one counter exactly one is
 * taken (WebAuthn §7.2 step 22). Authenticators without a counter always say 0.
 */
export const usePasskey = async (
  tx: WriteTx,
  passkey: Pick<StoredPasskey, 'orgId' | 'id'>,
  use: { readonly signCount: number; readonly isBackedUp: boolean; readonly at: Date },
): Promise<boolean> => {
  const rows = await tx.query<{ id: string }>(
    `UPDATE passkey SET sign_count = $3, backed_up = $4, last_used_at = $5
      WHERE org_id = $1 AND id = $2 AND (sign_count < $3 OR (sign_count = 0 AND $3 = 0)) RETURNING id`,
    [passkey.orgId, passkey.id, use.signCount, use.isBackedUp, use.at],
  );
  return rows.length > 0;
};

/** The name it had; undefined when the account has no such passkey. */
export const renamePasskey = async (
  tx: WriteTx,
  key: Key & { readonly id: string },
  name: string,
): Promise<string | undefined> => {
  const [row] = await tx.query<{ old_name: string }>(
    `UPDATE passkey p SET name = $4 FROM (SELECT id, name AS old_name FROM passkey WHERE org_id = $1 AND id = $3) AS before
      WHERE p.org_id = $1 AND p.account_id = $2 AND p.id = $3 AND before.id = p.id RETURNING before.old_name`,
    [key.orgId, key.accountId, key.id, name],
  );
  return row?.old_name;
};

/** Removes one of an account, or all of them; answers those that are gone. */
export const deletePasskeys = async (
  tx: WriteTx,
  key: Key & { readonly id: string | null },
): Promise<{ readonly id: string; readonly name: string }[]> =>
  await tx.query<{ id: string; name: string }>(
    `DELETE FROM passkey WHERE org_id = $1 AND account_id = $2 AND ($3::uuid IS NULL OR id = $3) RETURNING id, name`,
    [key.orgId, key.accountId, key.id],
  );
