import { statement, type ReadTx, type WriteTx } from '@sallyport/storage';

import type { PresentedCredential, ScimProfile } from '../connections/index.ts';
import type { NewArtifact } from './artifact-store.ts';

/**
 * Writes an access token of a directory's client, had with the secret of this hash. Answers false, and writes nothing,
 * when secret, client, connection or directory is not (any more) what it has to be.
 */
export const insertScimAccessToken = async (
  tx: WriteTx,
  artifact: NewArtifact,
  secretHash: Buffer,
): Promise<boolean> => {
  const rows = await tx.query<{ model: string }>(
    statement(`INSERT INTO provider_artifact (model, id_hash, org_id, client_id, payload, created_at, expires_at, scim_secret_id)
     SELECT $1, $2, k.org_id, k.id, $4, $5, $6, s.id
       FROM scim_client_secret s
       JOIN scim_client k ON k.org_id = s.org_id AND k.id = s.client_id AND k.revoked_at IS NULL
       JOIN connection c ON c.org_id = k.org_id AND c.id = k.connection_id AND c.enabled AND c.deleted_at IS NULL
       JOIN scim_facet f ON f.org_id = k.org_id AND f.connection_id = k.connection_id
      WHERE s.secret_hash = $7 AND s.client_id = $3 AND s.revoked_at IS NULL AND s.expires_at > $5
     RETURNING model`),
    [
      artifact.model,
      artifact.idHash,
      artifact.clientId,
      artifact.payload,
      artifact.createdAt,
      artifact.expiresAt,
      secretHash,
    ],
  );
  return rows.length > 0;
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
