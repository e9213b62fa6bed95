import type { Database } from '@sallyport/storage';
import type { Logger, Metrics } from '@sallyport/telemetry';

import type { Exchange } from './exchange.ts';
import { insertExchanges, pruneExchanges } from './exchange-store.ts';

/** What may wait to be written; more is dropped and counted. */
const MAX_QUEUED = 5_000;
const BATCH = 200;
const FLUSH_MS = 250;
/** A connection is pruned after this many of its exchanges (sooner if it keeps fewer), in one statement. */
const PRUNE_EVERY = 50;
const WHY = 'exchange traces of directories';

export interface ExchangeLogOptions {
  readonly db: Database;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Exchanges kept of each connection; 0 keeps none. */
  readonly keep: number;
}

interface Written {
  readonly orgId: string;
  readonly connectionId: string;
  count: number;
}

/**
 * The last exchanges of each connection. Requests never wait for it: what they add stays in memory (bounded) and is
 * written in batches. What a process that dies has not written yet is lost; one that stops writes all of it.
 */
export class ExchangeLog {
  readonly #options: ExchangeLogOptions;
  readonly #queue: Exchange[] = [];
  readonly #written = new Map<string, Written>();
  readonly #dropped;
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> = Promise.resolve();

  constructor(options: ExchangeLogOptions) {
    this.#options = options;
    this.#dropped = options.metrics.counter({
      name: 'scim_exchanges_dropped_total',
      help: 'Exchange traces that were not kept: too many at once, or the database did not take them.',
    });
  }

  get isEnabled(): boolean {
    return this.#options.keep > 0;
  }

  /** Never waits and never throws. */
  add(exchange: Exchange): void {
    if (!this.isEnabled) return;
    if (this.#queue.length >= MAX_QUEUED) {
      this.#dropped.inc();
      return;
    }
    this.#queue.push(exchange);
    if (this.#queue.length >= BATCH) this.#flushNow();
    else this.#timer ??= this.#flushLater();
  }

  /** Resolves when everything added before this call has been written, or given up. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#flushing = this.#flushing.then(() => this.#writeAll());
    await this.#flushing;
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    await this.flush();
    clearTimeout(this.#timer);
  }

  #flushLater(): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#flushNow();
    }, FLUSH_MS);
    timer.unref();
    return timer;
  }

  #flushNow(): void {
    this.flush().catch((error: unknown) => {
      this.#options.logger.error({ err: error }, 'exchange traces could not be written');
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, BATCH);
      try {
        await this.#write(batch);
      } catch (error) {
        this.#dropped.inc(batch.length);
        this.#options.logger.warn({ err: error, exchanges: batch.length }, 'exchange traces could not be written');
      }
    }
  }

  async #write(batch: readonly Exchange[]): Promise<void> {
    const { db, keep } = this.#options;
    for (const { orgId, connectionId } of batch) {
      const written = this.#written.get(connectionId) ?? { orgId, connectionId, count: 0 };
      written.count += 1;
      this.#written.set(connectionId, written);
    }
    const full = [...this.#written.values()].filter(({ count }) => count >= Math.min(PRUNE_EVERY, keep));
    await db.unauditedWrite('all-organizations', WHY, async (tx) => {
      await insertExchanges(tx, batch);
      for (const key of full) await pruneExchanges(tx, key, keep);
    });
    for (const { connectionId } of full) this.#written.delete(connectionId);
  }
}
