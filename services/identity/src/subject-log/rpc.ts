import { AppError } from '@sallyport/errors';
import { bidi, grpcService, serverStream, type GrpcService } from '@sallyport/grpc';
import { SubjectFeedServiceService } from '@sallyport/proto/identity/v1';
import { isId } from '@sallyport/storage';

import type { IdentityContext } from '../context.ts';
import { createAdmission } from './admission.ts';
import { FeedSession } from './feed-session.ts';
import { toGroupMessage, toSubjectMessage } from './message.ts';
import { readSnapshot } from './store.ts';

const FOLLOWERS = ['policy', 'flags'] as const;
const SNAPSHOT_PAGE = 500;

/** The subject log over gRPC. */
export const subjectFeedService = (context: IdentityContext): GrpcService => {
  const admit = createAdmission(() => context.clock.monotonicMs());
  return grpcService(SubjectFeedServiceService, {
    follow: {
      allow: FOLLOWERS,
      handler: bidi(async (stream, call) => {
        admit();
        const { feed } = context;
        const first = await stream.next();
        if (first.done === true || first.value.message?.$case !== 'hello')
          throw new AppError('INVALID_REQUEST', 'A stream begins with Hello.');
        const session = new FeedSession(first.value.message.value, stream, feed.logId);
        feed.registry.acknowledge(
          session.replica,
          first.value.message.value.logId === feed.logId
            ? first.value.message.value.cursors.map(({ orgId, position }) => [orgId, position] as const)
            : [],
        );
        call.logger.info({ replicaId: session.replica.replicaId }, 'a replica follows the subject log');
        feed.hub.add(session);
        try {
          for await (const { message } of stream) {
            if (message?.$case !== 'renew') throw new AppError('INVALID_REQUEST', 'After Hello only Renew follows.');
            session.renew(message.value, feed.registry);
            feed.hub.wake();
          }
        } finally {
          feed.hub.remove(session);
        }
      }),
    },
    snapshot: {
      allow: FOLLOWERS,
      handler: serverStream(async ({ orgId }, stream) => {
        const { db, feed } = context;
        if (!isId(orgId)) throw new AppError('NOT_FOUND', 'There is no such organisation.');
        const pages = await db.read(orgId, async (tx) => {
          let count = 0;
          for await (const { position, subjects, groups } of readSnapshot(tx, orgId, SNAPSHOT_PAGE)) {
            count += 1;
            await stream.write({
              position,
              logId: feed.logId,
              subjects: subjects.map(toSubjectMessage),
              groups: groups.map(toGroupMessage),
            });
          }
          return count;
        });
        if (pages === 0) throw new AppError('NOT_FOUND', 'There is no such organisation.');
      }),
    },
  });
};
