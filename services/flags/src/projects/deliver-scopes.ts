import type { Clock, Database } from '@sallyport/storage';
import type { Logger } from '@sallyport/telemetry';

import type { ScopeRegistry } from './scope-registration.ts';
import { markDelivered, organizationsWithPendingRegistrations, pendingRegistrations } from './store.ts';

export interface ScopeDeliveryOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly registry: ScopeRegistry;
  readonly logger: Logger;
  /** ms between two looks for what is left; default 1,000. */
  readonly retryEveryMs?: number;
}

const BATCH = 100;
const RETRY_EVERY_MS = 1_000;

/**
 * Brings the outbox to policy: in order within an organisation, at least once, until acknowledged.
 *
 * Policy denies everything in a scope it does not know, so a delivery that is late fails closed.
 */
export class ScopeDelivery {
  readonly #options: ScopeDeliveryOptions;
  readonly #running = new Map<string, Promise<boolean>>();
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> = Promise.resolve();

  constructor(options: ScopeDeliveryOptions) {
    this.#options = options;
  }

  /** Starts looking for what is left over. */
  start(): void {
    const everyMs = this.#options.retryEveryMs ?? RETRY_EVERY_MS;
    this.#timer = setInterval(() => {
      this.#sweeping = this.#sweeping.then(async () => {
        await this.sweep();
      });
    }, everyMs).unref();
  }

  /** Waits for what is under way. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sweeping;
    await Promise.all(this.#running.values());
  }

  /** Delivers for every organisation that has something left. Never throws. */
  async sweep(): Promise<void> {
    try {
      const organizations = await this.#options.db.readAcrossOrganizations(
        'which organisations have registrations left to deliver',
        organizationsWithPendingRegistrations,
      );
      for (const orgId of organizations) await this.deliver(orgId);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the scope outbox could not be read');
    }
  }

  /**
   * Delivers what the organisation's outbox holds now. Never throws: what fails is tried again by {@link sweep}.
   * Resolves to true when nothing is left.
   */
  async deliver(orgId: string): Promise<boolean> {
    // One delivery at a time per organisation keeps the order; a later caller waits for a run that sees its row.
    const previous = this.#running.get(orgId) ?? Promise.resolve(true);
    const run = previous.then(async () => await this.#deliverAll(orgId));
    this.#running.set(orgId, run);
    try {
      return await run;
    } finally {
      if (this.#running.get(orgId) === run) this.#running.delete(orgId);
    }
  }

  async #deliverAll(orgId: string): Promise<boolean> {
    const { db, clock, registry, logger } = this.#options;
    try {
      for (;;) {
        const pending = await db.read(orgId, async (tx) => await pendingRegistrations(tx, orgId, BATCH));
        if (pending.length === 0) return true;
        for (const { sequence, registration } of pending) {
          await registry.put(orgId, sequence, registration);
          await db.unauditedWrite(orgId, 'delivery state of the outbox', async (tx) => {
            await markDelivered(tx, orgId, sequence, clock.now());
          });
        }
      }
    } catch (error) {
      logger.warn({ err: error, orgId }, 'policy has not acknowledged a scope; it is tried again');
      return false;
    }
  }
}
