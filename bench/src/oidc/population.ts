import { randomUUID } from 'node:crypto';

import { newId, newSecret, secretHash } from '@sallyport/storage';
import type pg from 'pg';

import type { Directory } from '../scim/service.ts';
import type { ClientKey } from './assertion.ts';
import { REDIRECT_URI, type SecretClient } from './contender.ts';

// The rows the admin API writes; that API would need policy to run as well.

/** A directory's own client: the one kind that has tokens of its own for a secret. */
export const insertMachine = async (admin: pg.Pool, { orgId, connectionId }: Directory): Promise<SecretClient> => {
  const id = `sp_scl_${randomUUID().replaceAll('-', '')}`;
  const secret = newSecret('sp_scs_');
  await admin.query(
    `INSERT INTO identity.scim_client (org_id, id, connection_id, name, token_ttl_seconds, created_at, created_by)
     VALUES ($1, $2, $3, 'bench', 3600, now(), 'bench')`,
    [orgId, id, connectionId],
  );
  await admin.query(
    `INSERT INTO identity.scim_client_secret (org_id, id, client_id, prefix, secret_hash, created_at, created_by, expires_at)
     VALUES ($1, $2, $3, 'sp_scs', $4, now(), 'bench', now() + interval '1 day')`,
    [orgId, newId(), id, secretHash(secret)],
  );
  return { id, secret };
};

/** A service account that somebody answers for, with a key. */
export const insertWorkload = async (
  admin: pg.Pool,
  { orgId, ownerId, key }: { readonly orgId: string; readonly ownerId: string; readonly key: ClientKey },
): Promise<string> => {
  const id = newId();
  await admin.query(
    `INSERT INTO identity.account (org_id, id, kind, status, user_name, user_name_key, owner_id, created_at, updated_at)
     VALUES ($1, $2, 'service_account', 'active', 'robot', 'robot', $3, now(), now())`,
    [orgId, id, ownerId],
  );
  await admin.query(
    `INSERT INTO identity.workload_key (org_id, id, account_id, kid, jwk, name, created_at, created_by, sponsor_ids, expires_at)
     VALUES ($1, $2, $3, $4, $5, 'bench', now(), $6, ARRAY[$6::uuid], now() + interval '1 day')`,
    [orgId, newId(), id, key.publicJwk.kid, key.publicJwk, ownerId],
  );
  return `sp_sa_${id.replaceAll('-', '')}`;
};

/** An application people sign in through. */
export const insertApplication = async (admin: pg.Pool, orgId: string): Promise<SecretClient> => {
  const client = { id: `bench-${newId()}`, secret: newSecret('sp_ocs_') };
  await admin.query(
    `INSERT INTO identity.oauth_client (org_id, id, name, kind, redirect_uris, post_logout_redirect_uris, created_at, created_by)
     VALUES ($1, $2, 'bench', 'confidential', $3, '{}', now(), 'bench')`,
    [orgId, client.id, [REDIRECT_URI]],
  );
  await admin.query(
    `INSERT INTO identity.oauth_client_secret (org_id, id, client_id, secret_hash, created_at, created_by)
     VALUES ($1, $2, $3, $4, now(), 'bench')`,
    [orgId, newId(), client.id, secretHash(client.secret)],
  );
  return client;
};

/** Somebody's browser session; the value of its cookie. */
export const insertSession = async (admin: pg.Pool, orgId: string, accountId: string): Promise<string> => {
  const token = newSecret('sp_ses_');
  await admin.query(
    `INSERT INTO identity.browser_session (org_id, id, token_hash, account_id, epoch_at_issue, method, authenticated_at,
       created_at, last_used_at, expires_at, proven_at, multi_factor)
     VALUES ($1, $2, $3, $4, 1, 'saml', now(), now(), now(), now() + interval '8 hours', now(), false)`,
    [orgId, newId(), secretHash(token), accountId],
  );
  return token;
};
