import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { DecisionClient } from '@sallyport/decision-client';
import {
  createDevCa,
  createSelfSigned,
  freePort,
  issueDevCertificate,
  testDatabase,
  type TestDatabase,
} from '@sallyport/dev-env';
import { newId } from '@sallyport/storage';
import { silentLogger } from '@sallyport/telemetry';
import { exportJWK, generateKeyPair } from 'jose';
import pg from 'pg';

import type { CredentialVoiders } from '../../src/accounts/index.ts';
import type { IdentityConfig } from '../../src/config.ts';
import { authenticate } from '../../src/edge/authenticate.ts';
import { createContext, type ContextOverrides, type IdentityContext } from '../../src/context.ts';
import { createOrganization } from '../../src/organizations/index.ts';
import { startServer } from '../../src/server.ts';
import type { RunningServer } from '@sallyport/service';

export const DEPLOYMENT = 'test';
export const OWNER_PASSWORD = 'correct horse battery staple';

const directory = mkdtempSync(join(tmpdir(), 'sallyport-identity-test-'));
process.once('exit', () => {
  rmSync(directory, { recursive: true, force: true });
});

const file = (name: string, content: string): string => {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
};

const masterKeyFile = file('master.key', randomBytes(32).toString('hex'));
const cookieKeysFile = file('cookie.keys', `${randomBytes(32).toString('hex')}\n`);
const providerKeysFile = (async () => {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk = { ...(await exportJWK(privateKey)), kid: 'test', alg: 'RS256', use: 'sig' };
  return file('provider.jwks', JSON.stringify({ keys: [jwk] }));
})();
const samlFiles = (async () => {
  const [signing, encryption] = await Promise.all([
    createSelfSigned('sallyport test'),
    createSelfSigned('sallyport test encryption'),
  ]);
  return {
    samlCertFile: file('saml.pem', signing.cert),
    samlKeyFile: file('saml.key', signing.key),
    samlEncryptionCertFile: file('saml-encryption.pem', encryption.cert),
    samlEncryptionKeyFile: file('saml-encryption.key', encryption.key),
  };
})();
const ca = createDevCa(join(directory, 'ca'));

/** The certificate of a service of the test deployment. */
export const certificate = async (service: string) =>
  await issueDevCertificate(await ca, { service, deployment: DEPLOYMENT });

export const testConfig = async (databaseUrl: string, leaseTtlMs: number): Promise<IdentityConfig> => {
  const { caFile, certFile, keyFile } = await certificate('identity');
  return {
    databaseUrl,
    httpHost: '127.0.0.1',
    httpPort: 0,
    grpcHost: '127.0.0.1',
    grpcPort: 0,
    publicOrigin: 'http://localhost:8080',
    deployment: DEPLOYMENT,
    tlsCaFile: caFile,
    tlsCertFile: certFile,
    tlsKeyFile: keyFile,
    masterKeyFile,
    policyGrpc: '127.0.0.1:1',
    smtpUrl: undefined,
    mailFrom: 'sallyport@localhost',
    mailboxDir: undefined,
    themeFile: undefined,
    logLevel: 'error',
    otlpUrl: undefined,
    leaseTtlMs,
    trustedProxies: ['127.0.0.1', '::1'],
    cookieKeysFile,
    providerKeysFile: await providerKeysFile,
    ...(await samlFiles),
    dnsServers: ['127.0.0.1:1'],
    allowInsecurePrivateFetch: false,
    // Far above what any suite sends; suites about limits set their own.
    scimRate: 1_000_000,
    scimBurst: 1_000_000,
    scimConcurrency: 32,
    scimQueue: 10_000,
    scimUnknownRate: 100_000,
    scimTraces: 500,
  };
};

/** Permissions policy would refuse; everything else is granted. */
export const decisionsWithout = (denied: ReadonlySet<string>): DecisionClient => {
  const check: DecisionClient['check'] = ({ action }) => {
    const allowed = !denied.has(action);
    return Promise.resolve({
      allowed,
      reason: allowed ? 'GRANTED' : 'NO_GRANT',
      explanation: allowed ? 'Granted.' : 'No grant allows it.',
      matchedGrant: null,
      matchedRole: null,
      policyRevision: 'test',
      standingPosition: 0n,
      grantsRevision: 0n,
      validForMs: 60_000,
      decidedAtMonotonicMs: performance.now(),
    });
  };
  return { check, checkMany: (requests) => Promise.all(requests.map(check)) };
};

export interface TestIdentity {
  readonly database: TestDatabase;
  readonly context: IdentityContext;
  readonly server: RunningServer;
  /** Permissions refused from now on. */
  readonly denied: Set<string>;
  /** Rows of the database as the superuser sees them. */
  admin<Row extends pg.QueryResultRow>(sql: string, params?: unknown[]): Promise<Row[]>;
  close(): Promise<void>;
}

export interface TestOptions extends ContextOverrides {
  readonly leaseTtlMs?: number;
  /** Serve an existing database instead of a new one. */
  readonly database?: TestDatabase;
  /** Settings that differ. */
  readonly config?: Partial<IdentityConfig>;
}

/** The `Authorization` value of a test principal of an organisation; its subject is the organisation's Owner. */
export const asOwner = (orgId: string, subjectId: string): string => `Bearer owner.${orgId}.${subjectId}`;

/** The whole service on a database of its own; who calls is what the test says, what they may is `denied`. */
export const startIdentity = async (options: TestOptions = {}): Promise<TestIdentity> => {
  const database = options.database ?? (await testDatabase('identity'));
  const denied = new Set<string>();
  const config = { ...(await testConfig(database.url, options.leaseTtlMs ?? 300)), ...options.config };
  const pool = new pg.Pool({ connectionString: database.adminUrl, max: 4 });
  pool.on('error', () => undefined);
  const context = await createContext(config, {
    logger: silentLogger(),
    decisions: decisionsWithout(denied),
    // As policy begins with: the break-glass Owner has the role.
    askOwnership: async (orgId) => {
      const owners = await pool.query('SELECT id FROM identity.account WHERE org_id = $1 AND break_glass', [orgId]);
      const ownerUserIds = owners.rows.map(({ id }: { id: string }) => id);
      return { ownerUserIds, ownerGroupIds: [], deniedUserIds: [], deniedGroupIds: [] };
    },
    ...options,
  });
  const server = await startServer(context, {
    strictResponses: true,
    authenticate: async (ctx) => {
      const [scheme, orgId, subjectId] = ctx.get('authorization').split('.');
      if (scheme !== 'Bearer owner' || orgId === undefined || subjectId === undefined) {
        return await authenticate(context)(ctx);
      }
      return {
        orgId,
        orgSlug: 'test',
        subjectId,
        type: 'user',
        epoch: 1n,
        credentialType: 'api_token',
        credentialId: 'token-1',
        scopes: [],
        authenticatedAt: new Date(),
        expiresAt: new Date('2999-01-01T00:00:00Z'),
        displayName: 'Owner',
      };
    },
  });
  return {
    database,
    context,
    server,
    denied,
    admin: async (sql, params) => (await pool.query(sql, params)).rows as never,
    close: async () => {
      await server.close();
      await context.dispose();
      await pool.end();
      if (options.database === undefined) await database.drop();
    },
  };
};

/** The same at the address browsers reach it by: what leads back to it leads there. */
export const startAtOrigin = async (
  options: TestOptions = {},
): Promise<{ readonly identity: TestIdentity; readonly origin: string }> => {
  const port = await freePort();
  const origin = `http://localhost:${String(port)}`;
  const config = { httpPort: port, publicOrigin: origin, ...options.config };
  return { identity: await startIdentity({ ...options, config }), origin };
};

export interface TestOrganization {
  readonly orgId: string;
  readonly ownerId: string;
  readonly authorization: string;
}

export const newOrganization = async (identity: TestIdentity): Promise<TestOrganization> => {
  const { orgId, ownerSubjectId } = await createOrganization(
    identity.context,
    {
      slug: `org-${newId()}`,
      displayName: 'Test',
      ownerEmail: 'owner@example.com',
      ownerPassword: OWNER_PASSWORD,
    },
    { requestId: 'test', operator: 'operator' },
  );
  return { orgId, ownerId: ownerSubjectId, authorization: asOwner(orgId, ownerSubjectId) };
};

/** Voiders that do nothing but remember what they were asked. */
export const rememberingVoiders = () => {
  const requests: { kind: keyof CredentialVoiders; subjectIds: readonly string[]; scope: string; cause: string }[] = [];
  const remember =
    (kind: keyof CredentialVoiders): CredentialVoiders[typeof kind] =>
    (_tx, { subjectIds, scope, cause }) => {
      requests.push({ kind, subjectIds, scope, cause });
      return Promise.resolve(1);
    };
  const credentialVoiders: CredentialVoiders = {
    sessions: remember('sessions'),
    apiTokens: remember('apiTokens'),
    providerArtifacts: remember('providerArtifacts'),
  };
  return { requests, credentialVoiders };
};
