import { createGrpcClient, type GrpcClient } from '@sallyport/grpc';
import { OperatorServiceClient as FlagsOperator } from '@sallyport/proto/flags/v1';
import { OperatorServiceClient as IdentityOperator } from '@sallyport/proto/identity/v1';
import { OperatorServiceClient as PolicyOperator } from '@sallyport/proto/policy/v1';
import { silentLogger } from '@sallyport/telemetry';
import type { DevCertificate } from '../certificates.ts';
import type { ServiceName } from '../services.ts';

// Password hashing and three databases, on a machine that has just started everything: generous, because it happens once.
const DEADLINE_MS = 30_000;

/** The operator of a deployment, over mutual TLS as the service identity `operator`. */
export interface Operator {
  /** Prepares the organisation in every service; idempotent by slug. */
  createOrganization(organization: NewOrganization): Promise<{ orgId: string; created: boolean }>;
  /** A token for AuthZEN callers; each call makes a new one. */
  issueDecisionToken(orgId: string, name: string): Promise<string>;
  /** Vouches for a mail domain of a connection, which a demo cannot prove by DNS. Idempotent. */
  verifyDomain(domain: {
    readonly orgId: string;
    readonly connectionId: string;
    readonly domain: string;
  }): Promise<void>;
  close(): void;
}

/** An organisation with its break-glass Owner. */
export interface NewOrganization {
  readonly slug: string;
  readonly displayName: string;
  readonly ownerEmail: string;
  readonly ownerPassword: string;
}

/** Where the services' gRPC servers are and who calls. */
export interface OperatorOptions {
  readonly addressOf: (service: ServiceName) => string;
  /** PEM contents of the mutual-TLS identity `operator`. */
  readonly tls: Pick<DevCertificate, 'ca' | 'cert' | 'key'>;
  readonly deployment: string;
}

/** Connects on first use. */
export function createOperator({ addressOf, tls, deployment }: OperatorOptions): Operator {
  const { ca, cert, key } = tls;
  const options = (service: ServiceName) => ({
    address: addressOf(service),
    tls: { ca, cert, key },
    serverName: service,
    deployment,
    logger: silentLogger(),
  });
  const identity: GrpcClient<typeof IdentityOperator.service> = createGrpcClient(IdentityOperator, options('identity'));
  const policy: GrpcClient<typeof PolicyOperator.service> = createGrpcClient(PolicyOperator, options('policy'));
  const flags: GrpcClient<typeof FlagsOperator.service> = createGrpcClient(FlagsOperator, options('flags'));
  const call = { deadlineMs: DEADLINE_MS };
  return {
    async createOrganization({ slug, displayName, ownerEmail, ownerPassword }) {
      const request = { slug, displayName, ownerEmail, ownerPassword };
      const { orgId, ownerSubjectId, created } = await identity.unary('createOrganization', request, call);
      // Also when it was there: a start that was interrupted in between is repaired by the next one.
      await Promise.all([
        policy.unary('createOrganization', { orgId, slug, ownerSubjectId }, call),
        flags.unary('createOrganization', { orgId, slug }, call),
      ]);
      return { orgId, created };
    },
    async issueDecisionToken(orgId, name) {
      return (await policy.unary('issueDecisionToken', { orgId, name }, call)).token;
    },
    async verifyDomain(domain) {
      await identity.unary('verifyDomain', { ...domain, verified: true }, call);
    },
    close() {
      for (const client of [identity, policy, flags]) client.close();
    },
  };
}
