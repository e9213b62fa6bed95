import { errors, type AdapterPayload } from 'oidc-provider';

import type { NewArtifact } from './artifact-store.ts';
import { CLIENT_WORKLOAD_EPOCH } from './client.ts';
import { providerRequest } from './request-session.ts';
import type { WorkloadIssue, WorkloadIssueResult } from './workload-token-store.ts';

interface Dependencies {
  readonly write: (issue: WorkloadIssue) => Promise<WorkloadIssueResult>;
  /** Its client as the primary says at this moment. */
  readonly findAnew: (clientId: string) => Promise<AdapterPayload | undefined>;
}

const epochOf = (metadata: AdapterPayload | undefined): bigint | null => {
  const epoch: unknown = metadata?.[CLIENT_WORKLOAD_EPOCH];
  return typeof epoch === 'string' ? BigInt(epoch) : null;
};

/**
 * Writes the access token of the service account that has authenticated in this request.
 *
 * 1. The assertion it showed is used up in the same statement, or nothing is written. 2. That statement reads account,
 * owner and key anew. 3. Where the epoch has risen since the client was read, the client is read once more: what counts
 * is what holds now, as if it had asked a moment later.
 * @throws errors.InvalidClientAuth otherwise
 */
export const issueWorkloadToken = async ({ write, findAnew }: Dependencies, token: NewArtifact): Promise<void> => {
  const request = providerRequest();
  const { workload: by, useUp } = request ?? {};
  if (request === undefined || by === undefined || useUp === undefined)
    throw new errors.InvalidClientAuth('a service account shows an assertion');
  delete request.useUp;
  const first = await write({ artifact: token, by, assertion: useUp.artifact }); // 1, 2
  if (!first.isUsedUp) throw new errors.InvalidClientAuth('the assertion was used before');
  if (first.isWritten) return;
  const epoch = epochOf(await findAnew(token.clientId ?? ''));
  if (epoch !== null && epoch !== by.epoch) {
    const again = await write({ artifact: token, by: { ...by, epoch } }); // 3
    if (again.isWritten) return;
  }
  throw new errors.InvalidClientAuth('the service account may not have tokens (any more)');
};
