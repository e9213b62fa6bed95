import type { ReadTx, WriteTx } from '@sallyport/storage';

import type { FlagConfiguration, FlagDefinition } from '../flags/index.ts';
import type { EnvironmentKey, KeyGrant, KeyKind } from './environment-key.ts';

interface KeyRow {
  readonly key_id: string;
  readonly environment_id: string;
  readonly kind: KeyKind;
  readonly name: string;
  readonly created_by: string;
  readonly created_at: Date;
  readonly last_used_at: Date | null;
  readonly revoked_at: Date | null;
}

const toKey = (row: KeyRow): EnvironmentKey => ({
  keyId: row.key_id,
  environmentId: row.environment_id,
  kind: row.kind,
  name: row.name,
  createdBy: row.created_by,
  createdAt: row.created_at,
  lastUsedAt: row.last_used_at,
  revokedAt: row.revoked_at,
});

const KEY = `SELECT key_id, environment_id, kind, name, created_by, created_at, last_used_at, revoked_at
  FROM environment_key`;

export const insertKey = async (
  tx: WriteTx,
  orgId: string,
  key: Omit<EnvironmentKey, 'lastUsedAt' | 'revokedAt'> & { readonly secretHash: Buffer },
): Promise<void> => {
  await tx.query(
    `INSERT INTO environment_key (org_id, key_id, environment_id, kind, name, secret_hash, created_by, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [orgId, key.keyId, key.environmentId, key.kind, key.name, key.secretHash, key.createdBy, key.createdAt],
  );
};

export const listKeys = async (
  tx: ReadTx,
  orgId: string,
  page: { readonly environmentId: string; readonly after: string | undefined; readonly limit: number },
): Promise<EnvironmentKey[]> => {
  const rows = await tx.query<KeyRow>(
    `${KEY} WHERE org_id = $1 AND environment_id = $2 AND ($3::uuid IS NULL OR key_id > $3) ORDER BY key_id LIMIT $4`,
    [orgId, page.environmentId, page.after ?? null, page.limit],
  );
  return rows.map(toKey);
};

/** Locks the row to the end of the transaction. */
export const lockKey = async (
  tx: WriteTx,
  orgId: string,
  key: { readonly environmentId: string; readonly keyId: string },
): Promise<EnvironmentKey | undefined> => {
  const [row] = await tx.query<KeyRow>(`${KEY} WHERE org_id = $1 AND environment_id = $2 AND key_id = $3 FOR UPDATE`, [
    orgId,
    key.environmentId,
    key.keyId,
  ]);
  return row && toKey(row);
};

/** Revokes for good, and wakes every process that may hold the key. */
export const revokeKey = async (
  tx: WriteTx,
  orgId: string,
  key: { readonly keyId: string; readonly revokedBy: string; readonly at: Date },
): Promise<void> => {
  await tx.query('UPDATE environment_key SET revoked_at = $3, revoked_by = $4 WHERE org_id = $1 AND key_id = $2', [
    orgId,
    key.keyId,
    key.at,
    key.revokedBy,
  ]);
  await tx.query(`SELECT pg_notify('flags_key', $1)`, [key.keyId]);
};

/** Finds a living key by the hash of its secret. Runs across organisations: the key is what names one. */
export const findKeyBySecret = async (tx: ReadTx, secretHash: Buffer): Promise<KeyGrant | undefined> => {
  const [row] = await tx.query<{ key_id: string; org_id: string; environment_id: string; kind: KeyKind }>(
    'SELECT key_id, org_id, environment_id, kind FROM environment_key WHERE secret_hash = $1 AND revoked_at IS NULL',
    [secretHash],
  );
  return row && { keyId: row.key_id, orgId: row.org_id, environmentId: row.environment_id, kind: row.kind };
};

/** Which of these keys are still alive. Runs across organisations. */
export const livingKeys = async (tx: ReadTx, keyIds: readonly string[]): Promise<ReadonlySet<string>> => {
  const rows = await tx.query<{ key_id: string }>(
    'SELECT key_id FROM environment_key WHERE key_id = ANY ($1::uuid[]) AND revoked_at IS NULL',
    [keyIds],
  );
  return new Set(rows.map(({ key_id: keyId }) => keyId));
};

/** Notes when keys were last used; never moves a time back. */
export const touchKeys = async (
  tx: WriteTx,
  orgId: string,
  uses: readonly { readonly keyId: string; readonly at: Date }[],
): Promise<void> => {
  await tx.query(
    `UPDATE environment_key k SET last_used_at = u.at
       FROM unnest($2::uuid[], $3::timestamptz[]) AS u (key_id, at)
      WHERE k.org_id = $1 AND k.key_id = u.key_id AND (k.last_used_at IS NULL OR k.last_used_at < u.at)`,
    [orgId, uses.map(({ keyId }) => keyId), uses.map(({ at }) => at)],
  );
};

/** One flag of an environment as it is served; removed: not (any longer). */
export interface ServedFlag {
  readonly key: string;
  readonly removed: boolean;
  readonly definition: FlagDefinition;
  readonly configuration: FlagConfiguration;
}

export interface EnvironmentDelta {
  readonly version: bigint;
  readonly key: string;
  readonly project: string;
  /** Oldest change first: a key that was deleted and made anew ends as what it became. */
  readonly flags: readonly ServedFlag[];
}

/**
 * What changed in an environment after a version (everything, after -1), and the version that leads to. One statement,
 * so one moment. Undefined when there is no such environment.
 */
export const readDelta = async (
  tx: ReadTx,
  orgId: string,
  environmentId: string,
  after: bigint,
): Promise<EnvironmentDelta | undefined> => {
  const rows = await tx.query<{
    version: string;
    environment_key: string;
    project_key: string;
    flag_key: string | null;
    removed: boolean;
    definition: FlagDefinition;
    configuration: FlagConfiguration;
  }>(
    `SELECT e.version, e.key AS environment_key, p.key AS project_key, f.key AS flag_key,
            fe.removed OR f.deleted_at IS NOT NULL AS removed, v.definition, c.configuration
       FROM environment e
       JOIN project p ON p.org_id = e.org_id AND p.project_id = e.project_id
       LEFT JOIN flag_environment fe
         ON fe.org_id = e.org_id AND fe.environment_id = e.environment_id AND fe.changed_in > $3
       LEFT JOIN flag f ON f.org_id = fe.org_id AND f.flag_id = fe.flag_id
       LEFT JOIN flag_version v ON v.org_id = f.org_id AND v.flag_id = f.flag_id AND v.version = f.current_version
       LEFT JOIN flag_environment_version c
         ON c.org_id = fe.org_id AND c.flag_id = fe.flag_id AND c.environment_id = fe.environment_id
        AND c.version = fe.current_version
      WHERE e.org_id = $1 AND e.environment_id = $2
      ORDER BY fe.changed_in, fe.removed DESC`,
    [orgId, environmentId, after.toString()],
  );
  const [first] = rows;
  if (first === undefined) return undefined;
  return {
    version: BigInt(first.version),
    key: first.environment_key,
    project: first.project_key,
    flags: rows.flatMap(({ flag_key: key, removed, definition, configuration }) =>
      key === null ? [] : [{ key, removed, definition, configuration }],
    ),
  };
};

/** The versions these environments are at. Runs across organisations. */
export const currentVersions = async (
  tx: ReadTx,
  environmentIds: readonly string[],
): Promise<ReadonlyMap<string, bigint>> => {
  const rows = await tx.query<{ environment_id: string; version: string }>(
    'SELECT environment_id, version FROM environment WHERE environment_id = ANY ($1::uuid[])',
    [environmentIds],
  );
  return new Map(rows.map((row) => [row.environment_id, BigInt(row.version)]));
};
