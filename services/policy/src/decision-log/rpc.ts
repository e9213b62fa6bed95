import { setTimeout as delay } from 'node:timers/promises';

import { AppError } from '@sallyport/errors';
import { grpcService, serverStream, type GrpcService, type MessageSink } from '@sallyport/grpc';
import { DecisionLogServiceService, type FollowResponse } from '@sallyport/proto/policy/v1';
import { isId, type Database } from '@sallyport/storage';

import type { DecisionLog } from './decision-log.ts';
import { toMessage } from './render.ts';
import { entriesAfter } from './store.ts';

const FOLLOWERS = ['operator'] as const;
const MAX_FOLLOWERS = 32;
const PAGE = 500;
/** What other replicas write is looked for so often; what this one writes is sent at once. */
const LOOK_MS = 500;
const STALL_MS = 10_000;

interface Dependencies {
  readonly db: Database;
  readonly decisionLog: DecisionLog;
}

/** Ends when entries were written here, when it is time to look for those of others, or when the call is over. */
const untilWritten = async (log: DecisionLog, signal: AbortSignal): Promise<void> => {
  const written = new AbortController();
  const stop = log.onWritten(() => {
    written.abort();
  });
  // Aborted or not, it is time to look.
  await delay(LOOK_MS, undefined, { signal: AbortSignal.any([written.signal, signal]) }).catch(() => undefined);
  stop();
};

const follow = async (
  { db, decisionLog }: Dependencies,
  { orgId, after }: { readonly orgId: string; readonly after: bigint },
  { stream, signal }: { readonly stream: MessageSink<FollowResponse>; readonly signal: AbortSignal },
): Promise<void> => {
  let position = after;
  let isCaughtUp = false;
  while (!signal.aborted) {
    const page = await db.readOne(orgId, async (tx) => await entriesAfter(tx, orgId, position, PAGE));
    for (const recorded of page) {
      position = BigInt(recorded.position);
      await stream.write({ message: { $case: 'entry', value: toMessage(recorded) } });
    }
    if (page.length === PAGE) continue;
    if (!isCaughtUp || page.length > 0) await stream.write({ message: { $case: 'caughtUp', value: { position } } });
    isCaughtUp = true;
    await untilWritten(decisionLog, signal);
  }
};

/** DecisionLogService over gRPC. */
export const decisionLogService = (dependencies: Dependencies): GrpcService => {
  let followers = 0;
  return grpcService(DecisionLogServiceService, {
    follow: {
      allow: FOLLOWERS,
      handler: serverStream(
        async ({ orgId, afterPosition: after }, stream, { signal }) => {
          if (!isId(orgId)) throw new AppError('NOT_FOUND', 'There is no such organisation.');
          if (followers >= MAX_FOLLOWERS) throw new AppError('RATE_LIMITED', 'Too many follow the decision log.');
          followers += 1;
          try {
            await follow(dependencies, { orgId, after }, { stream, signal });
          } finally {
            followers -= 1;
          }
        },
        { stallMs: STALL_MS },
      ),
    },
  });
};
