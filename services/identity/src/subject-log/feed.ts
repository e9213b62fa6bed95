import { setTimeout as delay } from 'node:timers/promises';

import type { AuditLog } from '@sallyport/audit';
import { newId, type Clock, type Database } from '@sallyport/storage';
import type { Logger, Metrics } from '@sallyport/telemetry';

import { createBarrier, serverWaitMs, type Barrier } from './barrier.ts';
import { SUBJECT_LOG_CHANNEL } from './entry.ts';
import { FeedHub } from './feed-hub.ts';
import { createFeedNodeStore } from './feed-node-store.ts';
import { BEAT_INTERVAL_MS, FeedNodes } from './feed-nodes.ts';
import { LeaseRegistry } from './lease-registry.ts';
import { resumeReceipts } from './receipts.ts';
import { listEntries, readHeads, readLogId } from './store.ts';

export interface SubjectFeedOptions {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly leaseTtlMs: number;
}

/** The subject log as this process streams it, and the barrier that waits for those who follow. */
export interface SubjectFeed {
  readonly logId: string;
  readonly hub: FeedHub;
  readonly registry: LeaseRegistry;
  readonly barrier: Barrier;
  close(): Promise<void>;
}

const RESUME_INTERVAL_MS = 5_000;

/** Runs `work` now and then every `intervalMs` after it has ended; a failure is logged and tried again. */
const repeat = (intervalMs: number, logger: Logger, work: () => Promise<void>): (() => Promise<void>) => {
  const stopping = new AbortController();
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await work().catch((error: unknown) => {
        logger.warn({ err: error }, 'background work of the subject feed failed');
      });
      // The only way this rejects is the abort.
      await delay(intervalMs, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
    }
  };
  const done = loop();
  return async () => {
    stopping.abort();
    await done;
  };
};

const after = (ms: number, work: () => void): (() => void) => {
  const timer = setTimeout(work, ms);
  return () => {
    clearTimeout(timer);
  };
};

/** How long ends of access took to be in force everywhere, and how that became known. */
const observed = (barrier: Barrier, metrics: Metrics): Barrier => {
  const duration = metrics.histogram({
    name: 'revocation_barrier_duration_seconds',
    help: 'From the commit of a revocation to its being in force everywhere',
    labels: ['by'],
  });
  return {
    settle: async (orgId, position) => {
      const settlement = await barrier.settle(orgId, position);
      duration.observe({ by: settlement.by }, settlement.waitedMs / 1_000);
      return settlement;
    },
  };
};

/** Arms LISTEN first, then serves: whatever commits from here on wakes the hub. */
export const createSubjectFeed = async (options: SubjectFeedOptions): Promise<SubjectFeed> => {
  const { db, audit, clock, logger, metrics, leaseTtlMs } = options;
  const monotonicMs = (): number => clock.monotonicMs();
  const registry = new LeaseRegistry(serverWaitMs(leaseTtlMs));
  const nodes = new FeedNodes({ nodeId: newId(), store: createFeedNodeStore(db), leaseTtlMs, monotonicMs });
  const othersMayHaveGranted = (): Promise<boolean> => nodes.othersMayHaveGranted();
  const barrier = observed(createBarrier({ registry, leaseTtlMs, monotonicMs, after, othersMayHaveGranted }), metrics);
  const hub = new FeedHub({
    readHeads: () => db.readAcrossOrganizations('all heads of the subject log', readHeads),
    readEntries: (range) => db.read(range.orgId, (tx) => listEntries(tx, range)),
    registry,
    mayGrant: () => nodes.mayGrant(),
    monotonicMs,
    leaseTtlMs,
    logger,
  });
  const wake = (): void => {
    hub.wake();
  };
  const logId = await db.readAcrossOrganizations('identity of the subject log', readLogId);
  await nodes.beat();
  const unlisten = await db.listen(SUBJECT_LOG_CHANNEL, wake, wake);
  const stopBeating = repeat(BEAT_INTERVAL_MS, logger, () => nodes.beat());
  const stopResuming = repeat(RESUME_INTERVAL_MS, logger, () =>
    resumeReceipts({ db, audit, clock, barrier }, 2 * serverWaitMs(leaseTtlMs) + RESUME_INTERVAL_MS),
  );
  return {
    logId,
    hub,
    registry,
    barrier,
    close: async () => {
      hub.close();
      await Promise.all([stopBeating(), stopResuming(), unlisten()]);
    },
  };
};
