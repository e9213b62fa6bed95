import { startRounds } from '@sallyport/service';
import type { Clock, Database } from '@sallyport/storage';
import type { Logger } from '@sallyport/telemetry';

import type { RoleDefinition } from '../model/index.ts';
import { noteBuiltInRoles, pruneHistory } from './store.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;
const PRUNE_EVERY_MS = 60 * 60 * 1_000;

export interface RetentionOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How far back every question is answered. */
  readonly days: number;
  readonly roles: readonly RoleDefinition[];
}

/** Forgets what was over longer ago than it is kept. */
export const prune = async ({ db, clock, days }: Omit<RetentionOptions, 'logger' | 'roles'>): Promise<void> => {
  const before = new Date(clock.now().getTime() - days * DAY_MS);
  await db.unauditedWrite('all-organizations', 'history past its retention', async (tx) => {
    await pruneHistory(tx, before);
  });
};

/**
 * Notes what the built-in roles of this version mean, and from then on forgets, every hour, what is past its retention.
 *
 * @returns ends it
 */
export const keepHistoryInBounds = async (options: RetentionOptions): Promise<() => Promise<void>> => {
  const { db, logger, roles } = options;
  try {
    await db.unauditedWrite('all-organizations', 'what the built-in roles mean', async (tx) => {
      await noteBuiltInRoles(tx, roles);
    });
  } catch (error) {
    // Decisions do not wait for it; the next start notes it.
    logger.warn({ err: error }, 'what the built-in roles mean could not be noted');
  }
  return startRounds({
    everyMs: PRUNE_EVERY_MS,
    work: async () => {
      await prune(options);
    },
    onError: (error) => {
      logger.warn({ err: error }, 'history past its retention could not be forgotten; it is tried again');
    },
  });
};
