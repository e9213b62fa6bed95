import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { newId, newSecret, secretHash } from '@sallyport/storage';
import type { z } from 'zod';

import type { Authorized } from '../connections/index.ts';
import type { IdentityContext } from '../context.ts';
import { assertMayActForAll, type Reach } from '../reach/index.ts';
import { checkClient, recordedClient, type clientChangeSchema, type newClientSchema } from './client-input.ts';
import {
  deleteClient,
  deleteClientSecrets,
  insertClient,
  insertClientSecret,
  listClientSecrets,
  lockClient,
  updateClient,
  type ClientSecret,
  type OAuthClient,
} from './client-store.ts';

const SECRET_PREFIX = 'sp_cs_';
/** Old and new side by side, while the application is told the new one. */
const MAX_SECRETS = 2;

/** Who changes an application, and how far they reach. */
export interface ClientAdministrator extends Authorized {
  readonly reach: Reach;
}

const fence = (tx: AuditedTx, { decision }: Authorized): void => {
  if (decision !== null) tx.fence(decision);
};

/** @throws ESCALATION where the application acts for people at our own API, before or after, and this is no Owner */
const assertReach = async (tx: AuditedTx, { reach }: ClientAdministrator, ...states: OAuthClient[]): Promise<void> => {
  if (states.some(({ apiAccess }) => apiAccess)) await assertMayActForAll(tx, reach);
};

const missing = (): never => {
  throw new AppError('NOT_FOUND', 'There is no such application.');
};

const target = (id: string) => ({ type: 'oauth_client', id }) as const;

/** Registers an application; the secret, if it has one, is answered this once. @throws INVALID_VALUE, ESCALATION */
export const registerClient = async (
  context: IdentityContext,
  who: ClientAdministrator,
  input: z.output<typeof newClientSchema>,
): Promise<{ readonly client: OAuthClient; readonly secret: string | null }> => {
  const { orgId, actor } = who.audit;
  const now = context.clock.now();
  const authMethod = input.kind === 'public' ? 'none' : input.authMethod;
  const client: OAuthClient = {
    ...input,
    orgId,
    id: `sp_cli_${newId().replaceAll('-', '')}`,
    authMethod,
    createdAt: now,
    updatedAt: now,
  };
  checkClient(client);
  const secret = authMethod === 'client_secret' ? newSecret(SECRET_PREFIX) : null;
  await context.audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    await assertReach(tx, who, client);
    await insertClient(tx, client, actor.id);
    if (secret !== null) {
      const row = { id: newId(), secretHash: secretHash(secret), createdAt: now };
      await insertClientSecret(tx, { ...row, orgId, clientId: client.id, createdBy: actor.id });
    }
    tx.record({ action: 'oauth-client.created', target: target(client.id), after: recordedClient(client) });
  });
  return { client, secret };
};

/** Changes what is given. Tokens issued so far stay; what they are good for follows at once. @throws NOT_FOUND, INVALID_VALUE, ESCALATION */
export const changeClient = async (
  context: IdentityContext,
  who: ClientAdministrator,
  { clientId, change }: { readonly clientId: string; readonly change: z.output<typeof clientChangeSchema> },
): Promise<OAuthClient> => {
  const { value } = await context.audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    const before = (await lockClient(tx, tx.orgId, clientId)) ?? missing();
    const given = Object.fromEntries(Object.entries(change).filter(([, each]) => each !== undefined));
    const after: OAuthClient = { ...before, ...given, updatedAt: context.clock.now() };
    checkClient(after);
    await assertReach(tx, who, before, after);
    await updateClient(tx, after);
    tx.record({
      action: 'oauth-client.updated',
      target: target(clientId),
      before: recordedClient(before),
      after: recordedClient(after),
    });
    return after;
  });
  return value;
};

/** Removes an application; everything issued to it is void at once. @throws NOT_FOUND */
export const removeClient = async (context: IdentityContext, who: Authorized, clientId: string): Promise<void> => {
  await context.audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    const deleted = (await deleteClient(tx, tx.orgId, clientId)) ?? missing();
    const before = { ...recordedClient(deleted.client), artifacts: deleted.artifacts };
    tx.record({ action: 'oauth-client.deleted', target: target(clientId), before });
  });
};

/** Adds a secret beside the one there is. @throws NOT_FOUND, ESCALATION; CONFLICT when there are two, or the application has none */
export const addClientSecret = async (
  context: IdentityContext,
  who: ClientAdministrator,
  clientId: string,
): Promise<{ readonly secret: string; readonly row: ClientSecret }> => {
  const secret = newSecret(SECRET_PREFIX);
  const row = { id: newId(), secretHash: secretHash(secret), createdAt: context.clock.now() };
  await context.audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    const client = (await lockClient(tx, tx.orgId, clientId)) ?? missing();
    await assertReach(tx, who, client);
    if (client.authMethod !== 'client_secret') throw new AppError('CONFLICT', 'The application has no secrets.');
    if ((await listClientSecrets(tx, tx.orgId, clientId)).length >= MAX_SECRETS)
      throw new AppError('CONFLICT', 'Two secrets are live. Remove the old one first.');
    await insertClientSecret(tx, { ...row, orgId: tx.orgId, clientId, createdBy: who.audit.actor.id });
    tx.record({ action: 'oauth-client.secret-added', target: target(clientId), after: { secretId: row.id } });
  });
  return { secret, row };
};

/** Removes a secret; it opens nothing from the commit on. @throws NOT_FOUND */
export const removeClientSecret = async (
  context: IdentityContext,
  who: Authorized,
  which: { readonly clientId: string; readonly secretId: string },
): Promise<void> => {
  await context.audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    if ((await deleteClientSecrets(tx, { orgId: tx.orgId, ...which })) === 0)
      throw new AppError('NOT_FOUND', 'There is no such secret.');
    const before = { secretId: which.secretId };
    tx.record({ action: 'oauth-client.secret-removed', target: target(which.clientId), before });
  });
};
