import { readFile } from 'node:fs/promises';

import type { AuditLog } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import type { Clock, Database } from '@sallyport/storage';
import type { Logger } from '@sallyport/telemetry';

import type { CredentialVoiders } from './accounts/index.ts';
import type { IdentityConfig } from './config.ts';
import { createRelyingParty, type RelyingParty } from './oidc/index.ts';
import { createGuardedFetch, type GuardedFetch } from './outbound/index.ts';
import {
  createOpenIdProvider,
  recordSignOut,
  signingKeysSchema,
  type OpenIdProvider,
  type SigningKey,
} from './provider/index.ts';
import {
  createMetadataReader,
  createVerifier,
  logoutPage,
  readServiceProvider,
  startSamlLogout,
  type MetadataReader,
  type SamlServiceProvider,
  type SamlVerifier,
} from './saml/index.ts';
import { sessionOfRequest } from './sessions/index.ts';

/** What signing in needs and lives as long as the process: part of the service's context. */
export interface SignIn {
  readonly outbound: GuardedFetch;
  readonly relyingParty: RelyingParty;
  readonly samlVerifier: SamlVerifier;
  readonly metadataReader: MetadataReader;
  readonly samlServiceProvider: SamlServiceProvider;
  readonly openIdProvider: OpenIdProvider;
  /** The page that goes on to end the session at the identity provider; null where there is nothing to end. */
  readonly singleLogout: SingleLogout;
}

/** Asked for after our own session has ended. */
export type SingleLogout = (session: {
  readonly orgId: string;
  readonly id: string;
}) => Promise<ReturnType<typeof logoutPage> | null>;

export interface SignInDependencies {
  readonly config: IdentityConfig;
  readonly db: Database;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly credentialVoiders: CredentialVoiders;
}

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

/** Reads the keys and builds the parts. @throws INTERNAL naming the file that cannot be used */
export const createSignIn = async (dependencies: SignInDependencies): Promise<SignIn> => {
  const { config, db, audit, clock, logger, credentialVoiders } = dependencies;
  const outbound = createGuardedFetch({ allowPrivate: config.allowInsecurePrivateFetch });
  const openIdProvider = createOpenIdProvider({
    db,
    audit,
    clock,
    logger,
    publicOrigin: new URL(config.publicOrigin).origin,
    fetch: outbound,
    cookieKeys: linesOf(await readFile(config.cookieKeysFile, 'utf8')),
    keys: await readSigningKeys(config.providerKeysFile),
    readKeys: async () => await readSigningKeys(config.providerKeysFile),
    sessionOf: async (ctx) => {
      const standing = await sessionOfRequest({ db, clock }, ctx);
      if (standing === null) return null;
      const { orgId, id, accountId, epochAtIssue, expiresAt } = standing.session;
      return { orgId, id, accountId, epoch: epochAtIssue, expiresAt };
    },
    onSignedOut: async (signedOut) => {
      await recordSignOut({ audit, clock, credentialVoiders }, signedOut);
    },
  });
  const relyingParty = createRelyingParty({ fetch: outbound, allowPlainHttp: config.allowInsecurePrivateFetch, clock });
  const samlServiceProvider = await readServiceProvider(config);
  const decryptionKeys = samlServiceProvider.decryption.map(({ privateKey }) => privateKey);
  const samlVerifier = createVerifier({ decryptionKeys });
  const metadataReader = createMetadataReader();
  const singleLogout: SingleLogout = async (session) => {
    const outgoing = await startSamlLogout({ db, clock, samlServiceProvider }, session);
    return outgoing === null ? null : logoutPage(outgoing);
  };
  return { outbound, relyingParty, openIdProvider, samlServiceProvider, samlVerifier, metadataReader, singleLogout };
};

const readSigningKeys = async (file: string): Promise<SigningKey[]> => {
  try {
    return signingKeysSchema.parse(JSON.parse(await readFile(file, 'utf8'))).keys;
  } catch (error) {
    throw new AppError('INTERNAL', `${file} does not hold the signing keys of the OpenID Provider (a JWKS).`, {
      cause: error,
    });
  }
};
