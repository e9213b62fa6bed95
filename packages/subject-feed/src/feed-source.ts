import { AppError } from '@sallyport/errors';
import type { BidiClientStream, GrpcClient } from '@sallyport/grpc';
import type {
  FollowRequest,
  FollowResponse,
  SnapshotResponse,
  SubjectFeedServiceService,
} from '@sallyport/proto/identity/v1';

import { readSnapshotStates } from './entry.ts';
import type { GroupChange, StandingState, SubjectChange } from './standing.ts';

/** A snapshot, and how many of its states made no sense. */
export interface ReadSnapshot {
  readonly state: StandingState;
  /** Subjects that became unknown, and states that name nobody. */
  readonly quarantined: readonly string[];
}

/** Where the subject log comes from; the tests put a simulated one in its place. */
export interface FeedSource {
  follow(): BidiClientStream<FollowRequest, FollowResponse>;
  /** @throws when it cannot be read whole */
  snapshot(orgId: string, signal: AbortSignal): Promise<ReadSnapshot>;
}

const SNAPSHOT_DEADLINE_MS = 30_000;

const broken = (problem: string): AppError => new AppError('UNAVAILABLE', `The snapshot is not usable: ${problem}.`);

const readPages = async (pages: AsyncIterable<SnapshotResponse>): Promise<ReadSnapshot> => {
  const subjects: SubjectChange[] = [];
  const groups: GroupChange[] = [];
  const quarantined: string[] = [];
  let at: { readonly position: bigint; readonly logId: string } | undefined;
  for await (const page of pages) {
    at ??= page;
    if (page.position !== at.position || page.logId !== at.logId)
      throw broken('its pages stand at different positions');
    const read = readSnapshotStates(page);
    subjects.push(...read.subjects);
    groups.push(...read.groups);
    quarantined.push(...read.quarantined);
    if (read.nameless > 0) quarantined.push(`${String(read.nameless)} that name nobody`);
  }
  if (at === undefined || at.logId === '') throw broken('it is empty');
  return { state: { position: at.position, logId: at.logId, subjects, groups }, quarantined };
};

/** The feed of the identity service. */
export const identityFeed = (client: GrpcClient<SubjectFeedServiceService>): FeedSource => ({
  follow: () => client.bidi('follow'),
  snapshot: async (orgId, signal) =>
    await readPages(client.serverStream('snapshot', { orgId }, { deadlineMs: SNAPSHOT_DEADLINE_MS, signal })),
});
