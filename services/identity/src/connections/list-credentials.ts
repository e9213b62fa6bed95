import { isId, type ReadTx } from '@sallyport/storage';

import { listAccountsById } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import type { ScimToken } from './connection.ts';
import { daysLeft, expiresSoon, warningsOf, type CredentialWarning } from './credential-warning.ts';
import { listScimClients } from './scim-client-store.ts';
import type { ScimClient, ScimClientSecret } from './scim-client.ts';
import { listScimTokens } from './scim-token-store.ts';

/** What is said of a credential beyond what is stored of it. */
export interface Outlook {
  readonly expiresSoon: boolean;
  /** Whole days. */
  readonly daysLeft: number;
  readonly warnings: readonly CredentialWarning[];
}

export interface ScimClientView {
  readonly client: ScimClient;
  readonly warnings: readonly CredentialWarning[];
  readonly secrets: readonly (ScimClientSecret & Outlook)[];
}

type Outlooks = (credential: Pick<ScimToken, 'createdBy' | 'expiresAt' | 'revokedAt'>) => Outlook;

/** Looks at the accounts of those who made the credentials: a deprovisioned administrator may have kept a copy. */
const outlooks = async (
  tx: ReadTx,
  orgId: string,
  creators: readonly string[],
  now: Date,
): Promise<{ readonly outlookOf: Outlooks; readonly isGone: (creator: string) => boolean }> => {
  const ids = [...new Set(creators.filter(isId))];
  const active = new Set(
    (await listAccountsById(tx, orgId, ids)).filter(({ status }) => status === 'active').map(({ id }) => id),
  );
  // Whoever is not an account (the operator who set the organisation up) is not deprovisioned either.
  const isGone = (creator: string): boolean => isId(creator) && !active.has(creator);
  return {
    isGone,
    outlookOf: (credential) => ({
      expiresSoon: credential.revokedAt === null && expiresSoon(credential.expiresAt, now),
      daysLeft: credential.revokedAt === null ? daysLeft(credential.expiresAt, now) : 0,
      warnings: warningsOf(credential, { now, isCreatorGone: isGone(credential.createdBy) }),
    }),
  };
};

interface Which {
  readonly orgId: string;
  readonly connectionId: string;
}

/** Newest first, the revoked ones included, each with what an administrator should know about it. */
export const listTokens = async (
  { db, clock }: IdentityContext,
  { orgId, connectionId }: Which,
): Promise<(ScimToken & Outlook)[]> =>
  await db.read(orgId, async (tx) => {
    const tokens = await listScimTokens(tx, orgId, connectionId);
    const creators = tokens.map(({ createdBy }) => createdBy);
    const { outlookOf } = await outlooks(tx, orgId, creators, clock.now());
    return tokens.map((token) => ({ ...token, ...outlookOf(token) }));
  });

/** The same for OAuth clients and their secrets. */
export const listClients = async ({ db, clock }: IdentityContext, which: Which): Promise<ScimClientView[]> =>
  await db.read(which.orgId, async (tx) => {
    const clients = await listScimClients(tx, which);
    const creators = clients.flatMap(({ client, secrets }) => [client, ...secrets].map(({ createdBy }) => createdBy));
    const { outlookOf, isGone } = await outlooks(tx, which.orgId, creators, clock.now());
    return clients.map(({ client, secrets }) => ({
      client,
      warnings: client.revokedAt === null && isGone(client.createdBy) ? (['CREATOR_DEPROVISIONED'] as const) : [],
      // The secrets of a revoked client are as dead as it is.
      secrets: secrets.map((secret) => {
        const revokedAt = secret.revokedAt ?? client.revokedAt;
        return { ...secret, revokedAt, ...outlookOf({ ...secret, revokedAt }) };
      }),
    }));
  });

/** A warning about one credential of a connection. */
export interface ConnectionWarning {
  readonly code: CredentialWarning;
  readonly credentialType: 'scim_token' | 'scim_client' | 'scim_client_secret';
  readonly credentialId: string;
  readonly name: string;
  readonly daysLeft: number | null;
}

/** Everything an administrator should know about the credentials of a connection, in one list. */
export const listWarnings = async (service: IdentityContext, which: Which): Promise<ConnectionWarning[]> => {
  const [tokens, clients] = await Promise.all([listTokens(service, which), listClients(service, which)]);
  return [
    ...tokens.flatMap(({ warnings, id, name, daysLeft: days }) =>
      warnings.map((code) => ({
        code,
        credentialType: 'scim_token' as const,
        credentialId: id,
        name,
        daysLeft: days,
      })),
    ),
    ...clients.flatMap(({ client, warnings, secrets }) => [
      ...warnings.map((code) => ({
        code,
        credentialType: 'scim_client' as const,
        credentialId: client.id,
        name: client.name,
        daysLeft: null,
      })),
      ...secrets.flatMap((secret) =>
        secret.warnings.map((code) => ({
          code,
          credentialType: 'scim_client_secret' as const,
          credentialId: secret.id,
          name: client.name,
          daysLeft: secret.daysLeft,
        })),
      ),
    ]),
  ];
};
