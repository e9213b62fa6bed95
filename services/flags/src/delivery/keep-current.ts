import type { Clock, Database } from '@sallyport/storage';
import type { Logger } from '@sallyport/telemetry';

import { EnvironmentStates } from './environment-states.ts';
import { KeyRing } from './key-ring.ts';

export interface DeliveryOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  /** ms between two comparisons with the database; default 1,000. Bounds how late a lost notification is noticed. */
  readonly checkEveryMs?: number;
}

/** What applications are answered from. */
export interface Delivery {
  readonly states: EnvironmentStates;
  readonly keys: KeyRing;
  /** Brings environments up to date that this process has just changed. Never throws. */
  refresh(environmentIds: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

const CHECK_EVERY_MS = 1_000;
const FLUSH_EVERY_CHECKS = 10;

/**
 * Starts delivery: memory that follows the database by notifications, and by comparison because notifications may be
 * lost. Reading armed first: what changes while it starts is not missed.
 */
export const startDelivery = async (options: DeliveryOptions): Promise<Delivery> => {
  const { db, logger } = options;
  const states = new EnvironmentStates(db, logger);
  const keys = new KeyRing(options);
  let checks = 0;
  let isClosed = false;
  let running: Promise<void> | undefined;

  const checkOnce = async (): Promise<void> => {
    try {
      await keys.check();
      await states.check();
      checks += 1;
      if (checks % FLUSH_EVERY_CHECKS === 0) await keys.flushLastUsed();
    } catch (error) {
      logger.warn({ err: error }, 'delivery cannot compare itself with the database; it serves what it has');
    }
  };
  const check = (): void => {
    if (isClosed) return;
    running ??= checkOnce().finally(() => {
      running = undefined;
    });
  };
  const follow = async (work: Promise<void>): Promise<void> => {
    try {
      await work;
    } catch (error) {
      logger.warn({ err: error }, 'a notification could not be followed');
    }
  };
  const pending = new Set<Promise<void>>();
  const onEnvironment = (payload: string): void => {
    const [environmentId = '', version = '0'] = payload.split(' ');
    const work = follow(states.notified(environmentId, BigInt(version))).finally(() => pending.delete(work));
    pending.add(work);
  };

  const unlistenEnvironments = await db.listen('flags_environment', onEnvironment, check);
  const unlistenKeys = await db.listen('flags_key', (keyId) => keys.drop(keyId), check);
  const timer = setInterval(check, options.checkEveryMs ?? CHECK_EVERY_MS).unref();
  return {
    states,
    keys,
    refresh: async (environmentIds) => {
      for (const environmentId of environmentIds) await states.refresh(environmentId);
    },
    close: async () => {
      isClosed = true;
      clearInterval(timer);
      await Promise.all([unlistenEnvironments(), unlistenKeys()]);
      await Promise.all([...pending, running]);
      await keys.flushLastUsed();
    },
  };
};
