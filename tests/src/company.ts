import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startConstellation, waitFor, type Constellation, type ConstellationOptions } from '@sallyport/dev-env';
import {
  bearer,
  DemoIdp,
  expectStatus,
  issueApiToken,
  Person,
  RelyingParty,
  type Caller,
} from '@sallyport/dev-env/actors';
import { createGrpcClient, type GrpcClient } from '@sallyport/grpc';
import { DecisionServiceClient } from '@sallyport/proto/policy/v1';
import { silentLogger } from '@sallyport/telemetry';
import pg from 'pg';

import { inTwoHours } from './time.ts';

const REDIRECT_URI = 'http://localhost:1/callback';

/** A company on a constellation of its own, with everybody's way in. */
export interface Company {
  readonly constellation: Constellation;
  readonly orgId: string;
  readonly connectionId: string;
  /** The break-glass Owner, by API token: of no connection, so no directory can close them out. */
  readonly owner: Caller;
  /** The Owner's API token itself. */
  readonly ownerToken: string;
  readonly idp: DemoIdp;
  /** The directory's own token, for requests written by hand. */
  readonly directory: Caller;
  /** Asks policy over AuthZEN and is told the reason. */
  readonly decisions: Caller;
  readonly policy: GrpcClient<typeof DecisionServiceClient.service>;
  readonly application: RelyingParty;
  /** Superuser of the database: sees what no service shows. */
  readonly database: pg.Pool;
  /** A name nobody has had. */
  nextName(prefix: string): string;
  close(): Promise<void>;
}

/** `durable`: acknowledged writes outlive a crash of PostgreSQL itself, at the price of speed. */
export type CompanyOptions = ConstellationOptions & { readonly durable?: boolean };

/** Crashes are what these tests are made of: never given up on, and followed by a restart at once. */
const RESTART = { firstDelayMs: 50, maxDelayMs: 200, maxCrashes: 1_000 } as const;

/** Boots a constellation and signs the Owner in. Takes about 5 s on two cores. */
export const openCompany = async ({ durable = false, ...options }: CompanyOptions = {}): Promise<Company> => {
  const stateDir = durable ? mkdtempSync(join(tmpdir(), 'sallyport-durable-')) : undefined;
  const constellation = await startConstellation({
    restart: RESTART,
    ...(stateDir === undefined ? {} : { stateDir }),
    ...options,
  });
  const close = async (): Promise<void> => {
    await constellation.stop();
    if (stateDir !== undefined) rmSync(stateDir, { recursive: true, force: true });
  };
  try {
    return await furnish(constellation, close);
  } catch (error) {
    await close();
    throw error;
  }
};

const furnish = async (constellation: Constellation, close: () => Promise<void>): Promise<Company> => {
  const { bootstrap, origin } = constellation;
  const session = new Person(origin, bootstrap.owner.email);
  await session.signInWithPassword(bootstrap.organization.slug, bootstrap.owner.password);
  const ownerToken = await issueApiToken(session, 'Tests', inTwoHours());
  const owner = bearer(origin, ownerToken);
  const database = new pg.Pool({ connectionString: constellation.database.adminUrl, max: 8 });
  // A database that is killed under the tests takes the idle connections with it.
  database.on('error', () => undefined);
  const policy = connectPolicy(constellation);
  let named = 0;
  return {
    constellation,
    orgId: bootstrap.organization.id,
    connectionId: bootstrap.saml.connectionId,
    owner,
    ownerToken,
    idp: new DemoIdp(bootstrap.idp.url),
    directory: bearer(origin, bootstrap.scim.token),
    decisions: bearer(origin, bootstrap.policy.token),
    policy,
    application: await registerApplication(owner, bootstrap.oidc.issuer),
    database,
    nextName: (prefix) => `${prefix}-${String((named += 1))}`,
    close: async () => {
      policy.close();
      await database.end();
      await close();
    },
  };
};

const connectPolicy = ({ services, certificates, deployment }: Constellation): Company['policy'] => {
  const { ca, cert, key } = certificates.operator;
  return createGrpcClient(DecisionServiceClient, {
    address: services.policy.grpcAddress,
    tls: { ca, cert, key },
    serverName: 'policy',
    deployment,
    logger: silentLogger(),
  });
};

const registerApplication = async (owner: Caller, issuer: string): Promise<RelyingParty> => {
  const wanted = { name: 'Application under test', redirectUris: [REDIRECT_URI], apiAccess: true };
  const client = await expectStatus(owner, 201, 'POST', '/api/identity/v1/oauth-clients', wanted);
  const [clientId, clientSecret] = [client['clientId'], client['clientSecret']];
  assert.ok(typeof clientId === 'string' && typeof clientSecret === 'string');
  return new RelyingParty(issuer, { clientId, clientSecret, redirectUri: REDIRECT_URI });
};

/** A person of the company. */
export interface Employee {
  /** As the demo IdP names them in its API. */
  readonly key: string;
  readonly userName: string;
  readonly subjectId: string;
  readonly person: Person;
}

/**
 * Hires somebody in the dialect being played, signs them in by SAML, and waits until policy knows them.
 *
 * @param groups keys of the demo IdP's groups; each carries a role
 */
export const employ = async (company: Company, groups: readonly string[]): Promise<Employee> => {
  const { idp, constellation, connectionId } = company;
  const { key, userName, scimId } = await idp.hire(`${company.nextName('eve')}@acme.example`, groups);
  assert.ok(scimId !== null, `${userName} was not provisioned`);
  const person = new Person(constellation.origin, userName);
  await person.signInWithSaml(connectionId);
  const employee = { key, userName, subjectId: scimId, person };
  await waitFor(async () => (await askPolicy(company, employee.subjectId)).reason !== 'SUBJECT_UNKNOWN', {
    message: 'policy to know somebody new',
  });
  return employee;
};

/** What policy is asked about. */
export interface Question {
  readonly action?: string;
  readonly projectId?: string;
  readonly environmentId?: string;
  /** Of the credential shown; 0: none is. */
  readonly epoch?: bigint;
  readonly deadlineMs?: number;
}

const CHECK_DEADLINE_MS = 2_000;

/** One Check over gRPC, as a service of the deployment sends it. */
export const askPolicy = async ({ policy, orgId }: Company, subjectId: string, question: Question = {}) => {
  const { action = 'flag:toggle', projectId = '', environmentId = '', epoch = 0n } = question;
  return await policy.unary(
    'check',
    {
      orgId,
      subject: { type: 'user', id: subjectId, epoch },
      action,
      resource: { type: 'environment', id: environmentId, projectId, environmentId, properties: undefined },
      context: undefined,
      requestId: '',
    },
    { deadlineMs: question.deadlineMs ?? CHECK_DEADLINE_MS },
  );
};
