import { createDecisionClient, createPrincipalClient, type PrincipalClient } from '@sallyport/decision-client';
import { createGrpcClient, type TlsFiles } from '@sallyport/grpc';
import { IntrospectionServiceClient } from '@sallyport/proto/identity/v1';
import { DecisionServiceClient, ScopeServiceClient, Tier } from '@sallyport/proto/policy/v1';
import type { CommitGuard } from '@sallyport/subject-feed';
import type { Logger, Metrics } from '@sallyport/telemetry';

import { type Decisions, decisionsFrom } from './caller.ts';

export interface PeerOptions {
  readonly identityGrpc: string;
  readonly policyGrpc: string;
  readonly deployment: string;
  readonly tls: TlsFiles;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly guard: CommitGuard;
}

/** A registration as policy's wire knows it. */
export interface WireScope {
  readonly orgId: string;
  readonly sequence: bigint;
  readonly projectId: string;
  readonly key: string;
  readonly deleted: boolean;
  /** Absent: the project itself. */
  readonly environment?: { readonly environmentId: string; readonly tier: 'non-production' | 'production' };
}

/** The two services this one asks. */
export interface Peers {
  readonly principals: PrincipalClient;
  readonly decisions: Decisions;
  /** Resolves once policy has stored the scope. */
  putScope(scope: WireScope): Promise<void>;
  close(): void;
}

// Right after a restart of policy this channel may still be backing off: who creates a project next needs it known.
const PUT = { deadlineMs: 2_000, waitForReady: true } as const;

const TIERS = { 'non-production': Tier.TIER_NON_PRODUCTION, production: Tier.TIER_PRODUCTION } as const;

/** Clients over mutual TLS; they connect when first used and again whenever they have to. */
export const connectPeers = (options: PeerOptions): Peers => {
  const { identityGrpc, policyGrpc, guard, ...shared } = options;
  const toPolicy = { ...shared, address: policyGrpc, serverName: 'policy' };
  const identity = createGrpcClient(IntrospectionServiceClient, {
    ...shared,
    address: identityGrpc,
    serverName: 'identity',
  });
  const decisions = createGrpcClient(DecisionServiceClient, toPolicy);
  const scopes = createGrpcClient(ScopeServiceClient, toPolicy);
  return {
    principals: createPrincipalClient({ grpc: identity }),
    decisions: decisionsFrom(createDecisionClient({ grpc: decisions }), guard),
    putScope: async ({ environment, ...scope }) => {
      if (environment === undefined) {
        await scopes.unary('putProject', scope, PUT);
        return;
      }
      const { environmentId, tier } = environment;
      const request = { ...scope, environmentId, tier: TIERS[tier] };
      await scopes.unary('putEnvironment', request, PUT);
    },
    close: () => {
      for (const client of [identity, decisions, scopes]) client.close();
    },
  };
};
