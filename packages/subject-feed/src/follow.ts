import { createGrpcClient, type TlsFiles } from '@sallyport/grpc';
import { SubjectFeedServiceClient } from '@sallyport/proto/identity/v1';
import type { Clock } from '@sallyport/storage';
import type { Logger, Metrics } from '@sallyport/telemetry';

import { CommitGuard } from './commit-guard.ts';
import { identityFeed } from './feed-source.ts';
import { SubjectFeed } from './feed.ts';
import { Lease } from './lease.ts';
import type { AppliedStep } from './replica.ts';
import { Standing } from './standing.ts';

export interface FollowOptions {
  readonly identityGrpc: string;
  readonly deployment: string;
  readonly tls: TlsFiles;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** ms a lease lasts at most, and ms between two renewals. */
  readonly leaseTtlMs: number;
  readonly leaseRenewalMs: number;
  /** What is known already, and of which log; default: nothing. */
  readonly standing?: Standing;
  readonly logId?: string;
  readonly onApplied?: (step: AppliedStep) => void;
}

/** Identity's subject log, followed until closed. */
export interface Following {
  readonly standing: Standing;
  readonly lease: Lease;
  readonly guard: CommitGuard;
  close(): Promise<void>;
}

/** Follows the subject log of the identity service; returns at once, the lease comes with the first grant. */
export const followSubjects = (options: FollowOptions): Following => {
  const { clock, logger, metrics, tls, deployment } = options;
  const client = createGrpcClient(SubjectFeedServiceClient, {
    address: options.identityGrpc,
    serverName: 'identity',
    tls,
    deployment,
    logger,
  });
  const standing = options.standing ?? new Standing();
  const lease = new Lease(clock, options.leaseTtlMs);
  const guard = new CommitGuard(standing, lease);
  const feed = new SubjectFeed({
    source: identityFeed(client),
    standing,
    lease,
    guard,
    logId: options.logId ?? '',
    renewalMs: options.leaseRenewalMs,
    logger,
    metrics,
    onApplied: options.onApplied ?? (() => undefined),
  });
  feed.start();
  return {
    standing,
    lease,
    guard,
    close: async () => {
      await feed.close();
      client.close();
    },
  };
};
