import { statement, statementByKey, type ReadTx, type WriteTx } from '@sallyport/storage';

import type { PresentedCredential, ScimProfile } from '../connections/index.ts';
import type { NewArtifact } from './artifact-store.ts';
import type { Locked } from './token-store.ts';

/** An access token of a directory's client, and the hash of the secret it was asked for with. */
export interface ScimIssue {
  readonly artifact: NewArtifact;
  readonly secretHash: Buffer;
}

const issuing = (locked: Locked) =>
  statementByKey(`WITH asked AS (
         SELECT * FROM unnest($1::bytea[], $2::text[], $3::jsonb[], $4::timestamptz[], $5::timestamptz[], $6::bytea[])
           WITH ORDINALITY AS n (id_hash, client_id, payload, created_at, expires_at, secret_hash, number)),
       held AS (
         SELECT n.number, s.org_id, s.id, s.client_id
           FROM asked n
           JOIN scim_client_secret s ON s.secret_hash = n.secret_hash AND s.client_id = n.client_id AND s.revoked_at IS NULL
            AND s.expires_at > n.created_at FOR KEY SHARE OF s ${locked}),
       token AS (
         INSERT INTO provider_artifact (model, id_hash, org_id, client_id, payload, created_at, expires_at, scim_secret_id)
         SELECT 'ClientCredentials', n.id_hash, k.org_id, k.id, n.payload, n.created_at, n.expires_at, s.id
           FROM held s
           JOIN asked n ON n.number = s.number
           JOIN scim_client k ON k.org_id = s.org_id AND k.id = s.client_id AND k.revoked_at IS NULL
           JOIN connection c ON c.org_id = k.org_id AND c.id = k.connection_id AND c.enabled AND c.deleted_at IS NULL
           JOIN scim_facet f ON f.org_id = k.org_id AND f.connection_id = k.connection_id
         RETURNING id_hash)
       SELECT ARRAY(SELECT n.number::int FROM token t JOIN asked n ON n.id_hash = t.id_hash) AS written`);

const WAITING = issuing('');
const PASSING = issuing('SKIP LOCKED');

const insert = async (tx: WriteTx, text: typeof WAITING, issues: readonly ScimIssue[]): Promise<readonly boolean[]> => {
  const each = <T>(value: (artifact: NewArtifact) => T): T[] => issues.map(({ artifact }) => value(artifact));
  const [row] = await tx.query<{ written: number[] }>(text, [
    each(({ idHash }) => idHash),
    each(({ clientId }) => clientId),
    each(({ payload }) => JSON.stringify(payload)),
    each(({ createdAt }) => createdAt),
    each(({ expiresAt }) => expiresAt),
    issues.map(({ secretHash }) => secretHash),
  ]);
  const written = new Set(row?.written);
  return issues.map((_, index) => written.has(index + 1));
};

/**
 * Writes an access token of a directory's client, had with the secret of this hash. Answers false, and writes nothing,
 * when secret, client, connection or directory is not (any more) what it has to be.
 */
export const insertScimAccessToken = async (tx: WriteTx, issue: ScimIssue): Promise<boolean> => {
  const [isWritten = false] = await insert(tx, WAITING, [issue]);
  return isWritten;
};

/** {@link insertScimAccessToken} of several. Waits for nobody; where nothing is written, that function says why. */
export const insertScimAccessTokens = async (
  tx: WriteTx,
  issues: readonly ScimIssue[],
): Promise<readonly (true | null)[]> => {
  const results = await insert(tx, PASSING, issues);
  return results.map((isWritten) => (isWritten ? true : null));
};

interface TokenRow {
  readonly org_id: string;
  readonly connection_id: string;
  readonly id: string;
  readonly expires_at: Date;
  readonly revoked_at: Date | null;
  readonly enabled: boolean;
  readonly removed: boolean;
  readonly profile: ScimProfile | null;
  readonly allowed_networks: string[] | null;
  readonly payload: Record<string, unknown>;
}

/** An access token of a directory as it was presented, and what the OpenID Provider wrote into it. */
export interface PresentedAccessToken {
  readonly credential: PresentedCredential;
  readonly payload: Record<string, unknown>;
}

/** By the hash of the token, before the organisation is known, with all that decides whether it may be used. */
export const findScimAccessToken = async (tx: ReadTx, idHash: Buffer): Promise<PresentedAccessToken | undefined> => {
  const [row] = await tx.query<TokenRow>(
    statement(`SELECT p.org_id, k.connection_id, k.id, least(p.expires_at, s.expires_at) AS expires_at,
            coalesce(k.revoked_at, s.revoked_at) AS revoked_at, c.enabled, c.deleted_at IS NOT NULL AS removed,
            f.profile, f.allowed_networks, p.payload
       FROM provider_artifact p
       JOIN scim_client_secret s ON s.org_id = p.org_id AND s.id = p.scim_secret_id
       JOIN scim_client k ON k.org_id = s.org_id AND k.id = s.client_id
       JOIN connection c ON c.org_id = k.org_id AND c.id = k.connection_id
       LEFT JOIN scim_facet f ON f.org_id = k.org_id AND f.connection_id = k.connection_id
      WHERE p.model = 'ClientCredentials' AND p.id_hash = $1`),
    [idHash],
  );
  if (row === undefined) return undefined;
  const credential: PresentedCredential = {
    orgId: row.org_id,
    connectionId: row.connection_id,
    class: 'scim_client',
    id: row.id,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    connectionEnabled: row.enabled,
    connectionRemoved: row.removed,
    profile: row.profile,
    allowedNetworks: row.allowed_networks ?? [],
  };
  return { credential, payload: row.payload };
};
