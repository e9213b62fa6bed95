import { isUniqueViolation, statement, type ReadTx, type WriteTx } from '@sallyport/storage';

/** Who an artifact is bound to; it is readable only while they stand. */
export interface ArtifactOwner {
  readonly orgId: string;
  readonly accountId: string;
  readonly epoch: bigint;
  /** The browser session it ends with; null when it does not. */
  readonly browserSessionId: string | null;
}

/** Something the OpenID Provider keeps. */
export interface NewArtifact {
  readonly model: string;
  readonly idHash: Buffer;
  readonly clientId: string | null;
  readonly grantHash: Buffer | null;
  readonly uid: string | null;
  readonly payload: object;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
}

const UPSERT = `ON CONFLICT (model, id_hash) DO UPDATE SET payload = excluded.payload, expires_at = excluded.expires_at,
  org_id = coalesce(excluded.org_id, provider_artifact.org_id),
  account_id = coalesce(excluded.account_id, provider_artifact.account_id),
  epoch_at_issue = coalesce(excluded.epoch_at_issue, provider_artifact.epoch_at_issue),
  browser_session_id = coalesce(excluded.browser_session_id, provider_artifact.browser_session_id)
  RETURNING (xmax = 0) AS inserted`;

export const COLUMNS = `model, id_hash, org_id, account_id, epoch_at_issue, browser_session_id, client_id, grant_hash, uid,
  payload, created_at, expires_at`;

const PLACES = '$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12';

const ownedValues = (artifact: NewArtifact, owner: ArtifactOwner | null): readonly unknown[] => [
  artifact.model,
  artifact.idHash,
  owner?.orgId ?? null,
  owner?.accountId ?? null,
  owner?.epoch.toString() ?? null,
  owner?.browserSessionId ?? null,
  artifact.clientId,
  artifact.grantHash,
  artifact.uid,
  artifact.payload,
  artifact.createdAt,
  artifact.expiresAt,
];

/** Writes an artifact of nobody, or of the owner given. Answers whether it is new. */
export const upsertArtifact = async (
  tx: WriteTx,
  artifact: NewArtifact,
  owner: ArtifactOwner | null,
): Promise<boolean> => {
  const [row] = await tx.query<{ inserted: boolean }>(
    statement(`INSERT INTO provider_artifact (${COLUMNS}) VALUES (${PLACES}) ${UPSERT}`),
    ownedValues(artifact, owner),
  );
  return row?.inserted ?? false;
};

/** True when another artifact has its second identifier: that of {@link upsertArtifact} is written nowhere. */
export const hasOtherOfUid = (error: unknown): boolean => isUniqueViolation(error, 'provider_artifact_uid');

/** {@link upsertArtifact} in the place of the one that has its second identifier. */
export const replaceArtifactOfUid = async (
  tx: WriteTx,
  artifact: NewArtifact,
  owner: ArtifactOwner | null,
): Promise<void> => {
  await tx.query(
    statement(`WITH replaced AS (
         DELETE FROM provider_artifact WHERE model = $1 AND uid = $9 AND id_hash <> $2 RETURNING model)
       INSERT INTO provider_artifact (${COLUMNS})
       SELECT $1, $2, $3::uuid, $4::uuid, $5::bigint, $6::uuid, $7, $8::bytea, $9, $10::jsonb, $11::timestamptz, $12::timestamptz
        WHERE (SELECT count(*) FROM replaced) >= 0 ${UPSERT}`),
    ownedValues(artifact, owner),
  );
};

/**
 * Writes an artifact of a grant. Organisation, account and epoch are the grant's own: what is derived from a grant can
 * never be of a later epoch than the grant. Answers false, and writes nothing, when the grant is gone.
 */
export const upsertGrantArtifact = async (tx: WriteTx, artifact: NewArtifact, accountId: string): Promise<boolean> => {
  const rows = await tx.query<{ inserted: boolean }>(
    statement(`INSERT INTO provider_artifact (${COLUMNS})
     SELECT $1, $2, g.org_id, g.account_id, g.epoch_at_issue, g.browser_session_id, $3, $4, $5, $6, $7, $8
       FROM provider_artifact g WHERE g.model = 'Grant' AND g.id_hash = $4 AND g.account_id = $9 AND g.client_id = $3
     ${UPSERT}`),
    [
      artifact.model,
      artifact.idHash,
      artifact.clientId,
      artifact.grantHash,
      artifact.uid,
      artifact.payload,
      artifact.createdAt,
      artifact.expiresAt,
      accountId,
    ],
  );
  return rows.length > 0;
};

/** A row as it is found, together with the browser session it is bound to. */
export interface FoundArtifact {
  readonly payload: Record<string, unknown>;
  readonly consumedAt: Date | null;
  readonly browserSessionId: string | null;
}

// The one condition under which anything of the provider can be read, whichever endpoint asks: the account is active
// in the epoch of issue, the browser session has not ended, the client still exists; of a directory's token the secret,
// the client and the connection are live; of a service account's the key is, and its owner.
export const standing = (artifacts: string): string => `
       FROM ${artifacts} p
       LEFT JOIN account a ON a.org_id = p.org_id AND a.id = p.account_id
       LEFT JOIN browser_session s ON s.org_id = p.org_id AND s.id = p.browser_session_id
       LEFT JOIN oauth_client c ON c.id = p.client_id
      WHERE (p.account_id IS NULL OR (a.status = 'active' AND a.epoch = p.epoch_at_issue))
        AND (p.browser_session_id IS NULL OR (s.ended_at IS NULL AND s.expires_at > $1))
        AND (p.client_id IS NULL OR c.id IS NOT NULL OR p.scim_secret_id IS NOT NULL OR p.workload_key_id IS NOT NULL)
        AND (p.workload_key_id IS NULL OR (
          EXISTS (SELECT FROM workload_key w WHERE w.org_id = p.org_id AND w.id = p.workload_key_id
            AND w.revoked_at IS NULL AND w.expires_at > $1)
          AND EXISTS (SELECT FROM account b WHERE b.org_id = a.org_id AND b.id = a.owner_id AND b.status = 'active')))
        AND (p.scim_secret_id IS NULL OR EXISTS (
          SELECT FROM scim_client_secret ss
            JOIN scim_client k ON k.org_id = ss.org_id AND k.id = ss.client_id AND k.revoked_at IS NULL
            JOIN connection n ON n.org_id = k.org_id AND n.id = k.connection_id AND n.enabled AND n.deleted_at IS NULL
            JOIN scim_facet f ON f.org_id = k.org_id AND f.connection_id = k.connection_id
           WHERE ss.org_id = p.org_id AND ss.id = p.scim_secret_id AND ss.revoked_at IS NULL AND ss.expires_at > $1))`;

const STANDING = standing('provider_artifact');

/** What is read of an artifact. */
export interface FoundRow {
  readonly payload: Record<string, unknown>;
  readonly consumed_at: Date | null;
  readonly browser_session_id: string | null;
}

export const toFound = (row: FoundRow | undefined): FoundArtifact | null =>
  row === undefined
    ? null
    : { payload: row.payload, consumedAt: row.consumed_at, browserSessionId: row.browser_session_id };

/** The artifact with this identifier, while its owner stands. Expiry is the library's own check. */
export const findArtifact = async (
  tx: ReadTx,
  key: { readonly model: string; readonly idHash: Buffer; readonly now: Date },
): Promise<FoundArtifact | null> => {
  const [row] = await tx.query<FoundRow>(
    statement(`SELECT p.payload, p.consumed_at, p.browser_session_id ${STANDING} AND p.model = $2 AND p.id_hash = $3`),
    [key.now, key.model, key.idHash],
  );
  return toFound(row);
};

/** The same by the second identifier sessions have. */
export const findArtifactByUid = async (
  tx: ReadTx,
  key: { readonly model: string; readonly uid: string; readonly now: Date },
): Promise<FoundArtifact | null> => {
  const [row] = await tx.query<FoundRow>(
    statement(`SELECT p.payload, p.consumed_at, p.browser_session_id ${STANDING} AND p.model = $2 AND p.uid = $3`),
    [key.now, key.model, key.uid],
  );
  return toFound(row);
};

/** Whose grant this is and in which epoch, while its owner stands; null otherwise. */
export const findGrantEpoch = async (
  tx: ReadTx,
  grantHash: Buffer,
  now: Date,
): Promise<{ readonly orgId: string; readonly epoch: bigint } | null> => {
  const [row] = await tx.query<{ org_id: string; epoch_at_issue: string }>(
    statement(`SELECT p.org_id, p.epoch_at_issue ${STANDING} AND p.model = 'Grant' AND p.id_hash = $2 AND p.expires_at > $1
        AND p.account_id IS NOT NULL`),
    [now, grantHash],
  );
  return row === undefined ? null : { orgId: row.org_id, epoch: BigInt(row.epoch_at_issue) };
};

/** What stands behind an opaque access token. */
export interface AccessTokenStanding {
  readonly orgId: string;
  readonly orgSlug: string;
  readonly accountId: string;
  readonly accountType: 'user' | 'service_account';
  readonly epoch: bigint;
  readonly displayName: string;
  readonly clientId: string;
  /** Whether the client may use our own API at all. */
  readonly apiAccess: boolean;
  readonly payload: Record<string, unknown>;
  readonly grantHash: Buffer;
}

/**
 * The live access token with this hash, its grant live too, in one statement on the primary; null for everything else.
 */
export const findAccessToken = async (tx: ReadTx, idHash: Buffer, now: Date): Promise<AccessTokenStanding | null> => {
  const [row] = await tx.query<{
    org_id: string;
    slug: string;
    account_id: string;
    kind: AccessTokenStanding['accountType'];
    epoch_at_issue: string;
    display_name: string;
    client_id: string;
    api_access: boolean;
    payload: Record<string, unknown>;
    grant_hash: Buffer;
  }>(
    statement(`SELECT p.org_id, o.slug, p.account_id, a.kind, p.epoch_at_issue, a.display_name, p.client_id,
            c.api_access, p.payload, p.grant_hash
       FROM provider_artifact p
       JOIN provider_artifact g ON g.model = 'Grant' AND g.id_hash = p.grant_hash AND g.account_id = p.account_id
       JOIN account a ON a.org_id = p.org_id AND a.id = p.account_id AND a.status = 'active'
        AND a.epoch = p.epoch_at_issue AND a.epoch = g.epoch_at_issue
       JOIN organization o ON o.org_id = p.org_id
       JOIN oauth_client c ON c.id = p.client_id AND c.org_id = p.org_id
       JOIN browser_session s ON s.org_id = p.org_id AND s.id = p.browser_session_id AND s.ended_at IS NULL AND s.expires_at > $2
      WHERE p.model = 'AccessToken' AND p.id_hash = $1 AND p.expires_at > $2 AND g.expires_at > $2`),
    [idHash, now],
  );
  if (row === undefined) return null;
  return {
    orgId: row.org_id,
    orgSlug: row.slug,
    accountId: row.account_id,
    accountType: row.kind,
    epoch: BigInt(row.epoch_at_issue),
    displayName: row.display_name,
    clientId: row.client_id,
    apiAccess: row.api_access,
    payload: row.payload,
    grantHash: row.grant_hash,
  };
};

/** Marks an artifact as used, if nobody has before; of two at the same time exactly one gets true. */
export const consumeArtifact = async (
  tx: WriteTx,
  key: { readonly model: string; readonly idHash: Buffer; readonly at: Date },
): Promise<boolean> => {
  const rows = await tx.query<{ model: string }>(
    statement(`UPDATE provider_artifact SET consumed_at = $3 WHERE model = $1 AND id_hash = $2 AND consumed_at IS NULL
     RETURNING model`),
    [key.model, key.idHash, key.at],
  );
  return rows.length > 0;
};

export const deleteArtifact = async (tx: WriteTx, model: string, idHash: Buffer): Promise<void> => {
  await tx.query(statement('DELETE FROM provider_artifact WHERE model = $1 AND id_hash = $2'), [model, idHash]);
};

/** Which grant an artifact hangs on, and whose it is; null when it hangs on none. */
export const findGrantOf = async (
  tx: ReadTx,
  model: string,
  idHash: Buffer,
): Promise<{ readonly orgId: string; readonly grantHash: Buffer } | null> => {
  const [row] = await tx.query<{ org_id: string | null; grant_hash: Buffer | null }>(
    statement('SELECT org_id, grant_hash FROM provider_artifact WHERE model = $1 AND id_hash = $2'),
    [model, idHash],
  );
  if (row === undefined || row.org_id === null || row.grant_hash === null) return null;
  return { orgId: row.org_id, grantHash: row.grant_hash };
};

/** Whose grant this is; null when nothing of it is left. */
export const findGrantOwner = async (
  tx: ReadTx,
  grantHash: Buffer,
): Promise<{ readonly orgId: string; readonly accountId: string; readonly clientId: string | null } | null> => {
  const [row] = await tx.query<{ org_id: string; account_id: string; client_id: string | null }>(
    statement(`SELECT org_id, account_id, client_id FROM provider_artifact
      WHERE (grant_hash = $1 OR (model = 'Grant' AND id_hash = $1)) AND account_id IS NOT NULL LIMIT 1`),
    [grantHash],
  );
  return row === undefined ? null : { orgId: row.org_id, accountId: row.account_id, clientId: row.client_id };
};

/** Deletes a grant and everything issued under it; answers how many rows that were. */
export const deleteGrant = async (tx: WriteTx, grantHash: Buffer): Promise<number> => {
  const rows = await tx.query<{ model: string }>(
    statement(
      `DELETE FROM provider_artifact WHERE grant_hash = $1 OR (model = 'Grant' AND id_hash = $1) RETURNING model`,
    ),
    [grantHash],
  );
  return rows.length;
};

/** Deletes what hangs on these accounts, or only on the one browser session; answers how many rows that were. */
export const deleteArtifactsOf = async (
  tx: WriteTx,
  which: { readonly orgId: string; readonly accountIds: readonly string[]; readonly browserSessionId: string | null },
): Promise<number> => {
  const rows = await tx.query<{ model: string }>(
    statement(`DELETE FROM provider_artifact
      WHERE org_id = $1 AND account_id = ANY($2::uuid[]) AND ($3::uuid IS NULL OR browser_session_id = $3)
      RETURNING model`),
    [which.orgId, which.accountIds, which.browserSessionId],
  );
  return rows.length;
};

/** Deletes what is past any use. Consumed rows outlive their grant, so that late reuse is recognised until then. */
export const deleteExpiredArtifacts = async (tx: WriteTx, before: Date, limit: number): Promise<number> => {
  const rows = await tx.query<{ model: string }>(
    statement(`DELETE FROM provider_artifact WHERE ctid IN
       (SELECT ctid FROM provider_artifact WHERE expires_at < $1 LIMIT $2) RETURNING model`),
    [before, limit],
  );
  return rows.length;
};

/** Deletes what strangers left and what has expired: nothing of it is recognised later. */
export const deleteExpiredOfNobody = async (tx: WriteTx, now: Date, limit: number): Promise<number> => {
  const rows = await tx.query<{ model: string }>(
    statement(`DELETE FROM provider_artifact WHERE ctid IN
       (SELECT ctid FROM provider_artifact
         WHERE model IN ('Interaction', 'PushedAuthorizationRequest', 'Session') AND account_id IS NULL AND expires_at < $1
         LIMIT $2) RETURNING model`),
    [now, limit],
  );
  return rows.length;
};
