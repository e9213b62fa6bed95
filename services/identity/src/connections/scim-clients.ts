import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { newId, newSecret, secretHash } from '@sallyport/storage';

import type { IdentityContext } from '../context.ts';
import type { Authorized } from './change-connection.ts';
import {
  countLiveScimClients,
  countLiveSecrets,
  insertScimClient,
  insertScimClientSecret,
  lockScimClient,
  revokeScimClient,
  revokeScimClientSecret,
} from './scim-client-store.ts';
import {
  MAX_LIVE_CLIENT_SECRETS,
  MAX_LIVE_CLIENTS,
  SCIM_CLIENT_PREFIX,
  SCIM_CLIENT_SECRET_PREFIX,
  type ScimClient,
  type ScimClientSecret,
} from './scim-client.ts';
import { lockConnection } from './store.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;
const MINUTE_S = 60;
const SHOWN_PREFIX_LENGTH = SCIM_CLIENT_SECRET_PREFIX.length + 4;

interface IssuedSecret {
  readonly secret: ScimClientSecret;
  /** Shown this once; only its hash is kept. */
  readonly value: string;
}

const fence = (tx: AuditedTx, { decision }: Authorized): void => {
  if (decision !== null) tx.fence(decision);
};

const insertSecret = async (
  tx: AuditedTx,
  client: Pick<ScimClient, 'orgId' | 'id'>,
  who: Authorized,
  { at, expiresInDays }: { readonly at: Date; readonly expiresInDays: number },
): Promise<IssuedSecret> => {
  const value = newSecret(SCIM_CLIENT_SECRET_PREFIX);
  const secret: ScimClientSecret = {
    orgId: client.orgId,
    id: newId(),
    clientId: client.id,
    prefix: value.slice(0, SHOWN_PREFIX_LENGTH),
    createdAt: at,
    createdBy: who.audit.actor.id,
    expiresAt: new Date(at.getTime() + expiresInDays * DAY_MS),
    revokedAt: null,
  };
  await insertScimClientSecret(tx, secret, secretHash(value));
  tx.record({
    action: 'scim-client-secret.created',
    target: { type: 'scim_client_secret', id: secret.id },
    after: { clientId: client.id, prefix: secret.prefix, expiresAt: secret.expiresAt.toISOString() },
  });
  return { secret, value };
};

/**
 * Creates a client for the directory of a connection, with its first secret.
 *
 * @throws NOT_FOUND; CONFLICT when the connection has no SCIM facet or too many clients
 */
export const createScimClient = async (
  { audit, clock }: IdentityContext,
  who: Authorized,
  input: {
    readonly connectionId: string;
    readonly name: string;
    readonly tokenTtlMinutes: number;
    readonly secretExpiresInDays: number;
  },
): Promise<IssuedSecret & { readonly client: ScimClient }> => {
  const { orgId, actor } = who.audit;
  const { connectionId, name } = input;
  const { value } = await audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    const connection = await lockConnection(tx, orgId, connectionId);
    if (connection === undefined) throw new AppError('NOT_FOUND', 'There is no such connection.');
    if (connection.scim === null)
      throw new AppError('CONFLICT', 'The connection has no directory: switch SCIM on first.');
    if ((await countLiveScimClients(tx, { orgId, connectionId })) >= MAX_LIVE_CLIENTS)
      throw new AppError('CONFLICT', `A connection has at most ${String(MAX_LIVE_CLIENTS)} clients.`);
    const at = clock.now();
    const client: ScimClient = {
      orgId,
      id: `${SCIM_CLIENT_PREFIX}${newId().replaceAll('-', '')}`,
      connectionId,
      name,
      tokenTtlSeconds: input.tokenTtlMinutes * MINUTE_S,
      createdAt: at,
      createdBy: actor.id,
      lastUsedAt: null,
      revokedAt: null,
    };
    await insertScimClient(tx, client);
    tx.record({
      action: 'scim-client.created',
      target: { type: 'scim_client', id: client.id },
      after: { connectionId, name, tokenTtlSeconds: client.tokenTtlSeconds },
    });
    const issued = await insertSecret(tx, client, who, { at, expiresInDays: input.secretExpiresInDays });
    return { ...issued, client };
  });
  return value;
};

export interface ScimClientKey {
  readonly connectionId: string;
  readonly clientId: string;
}

const lockLive = async (tx: AuditedTx, orgId: string, key: ScimClientKey): Promise<ScimClient> => {
  const client = await lockScimClient(tx, { orgId, ...key });
  if (client === undefined) throw new AppError('NOT_FOUND', 'There is no such client.');
  return client;
};

/**
 * Adds a secret next to the one in use.
 *
 * @throws NOT_FOUND; CONFLICT when two are live already
 */
export const addScimClientSecret = async (
  { audit, clock }: IdentityContext,
  who: Authorized,
  input: ScimClientKey & { readonly expiresInDays: number },
): Promise<IssuedSecret> => {
  const { value } = await audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    const client = await lockLive(tx, who.audit.orgId, input);
    const at = clock.now();
    if ((await countLiveSecrets(tx, client, at)) >= MAX_LIVE_CLIENT_SECRETS)
      throw new AppError('CONFLICT', 'A client has at most two live secrets: revoke one first.');
    return await insertSecret(tx, client, who, { at, expiresInDays: input.expiresInDays });
  });
  return value;
};

/**
 * Revokes a secret; every access token that was had with it ends at once.
 *
 * @throws NOT_FOUND when there is none that is live
 */
export const removeScimClientSecret = async (
  { audit, clock }: IdentityContext,
  who: Authorized,
  { secretId, ...key }: ScimClientKey & { readonly secretId: string },
): Promise<void> => {
  await audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    const client = await lockLive(tx, who.audit.orgId, key);
    const secret = await revokeScimClientSecret(tx, client, secretId, clock.now());
    if (secret === undefined) throw new AppError('NOT_FOUND', 'There is no such secret.');
    tx.record({
      action: 'scim-client-secret.revoked',
      target: { type: 'scim_client_secret', id: secret.id },
      before: { clientId: client.id, prefix: secret.prefix, revoked: false },
      after: { revoked: true },
    });
  });
};

/**
 * Revokes a client; its secrets and every access token it has end at once.
 *
 * @throws NOT_FOUND
 */
export const removeScimClient = async (
  { audit, clock }: IdentityContext,
  who: Authorized,
  key: ScimClientKey,
): Promise<void> => {
  await audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    const client = await lockLive(tx, who.audit.orgId, key);
    await revokeScimClient(tx, client, clock.now());
    tx.record({
      action: 'scim-client.revoked',
      target: { type: 'scim_client', id: client.id },
      before: { connectionId: client.connectionId, name: client.name, revoked: false },
      after: { revoked: true },
    });
  });
};
