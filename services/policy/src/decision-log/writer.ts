import { newId, sqlState, type Database } from '@sallyport/storage';
import type { Logger } from '@sallyport/telemetry';

import { EntryIds } from './entry-ids.ts';
import type { Noted } from './entry.ts';
import type { Mask } from './mask.ts';
import type { Queue } from './queue.ts';
import { insertEntries, insertGaps, noteWriter, toRow, type EntryRow } from './store.ts';

export interface WriterOptions {
  readonly db: Database;
  readonly queue: Queue;
  readonly mask: Mask;
  readonly logger: Logger;
  readonly onWritten: (count: number) => void;
  readonly onLost: (noted: Noted) => void;
}

/** Entries wait so long for company, so that one statement writes many. */
const GATHER_MS = 500;
const MAX_BATCH = 1_000;
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 5_000;
/** At the end of the process. */
const FLUSH_MS = 5_000;

/** A batch that is being written, under ids it keeps: what was committed without our hearing of it is not there twice. */
interface Batch {
  readonly noted: readonly Noted[];
  readonly rows: readonly EntryRow[];
}

/** Errors of what was sent, not of the connection or the server: trying again would not help. SQLSTATE class 22, 23. */
const isRefusal = (error: unknown): boolean => /^2[23]/.test(sqlState(error) ?? '');

/** Writes what waits, in batches behind the decisions, and tries for as long as the process lives. */
export class Writer {
  readonly writerId = newId();
  readonly #options: WriterOptions;
  readonly #ids = new EntryIds();
  #batch: Batch | null = null;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | null = null;
  #retryMs = RETRY_FIRST_MS;
  #isClosing = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Entries taken from the queue and not known to be written. */
  get unwritten(): number {
    return this.#batch?.noted.length ?? 0;
  }

  /** Something waits: it is written in a moment. */
  wake(): void {
    if (this.#timer !== undefined || this.#running !== null || this.#isClosing) return;
    this.#later(GATHER_MS);
  }

  /** Writes what waits now; resolves when it is written, or the database refused. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#running === null) this.#start();
    while (this.#running !== null) await this.#running;
  }

  /** Writes what is left, for at most 5 s, and says goodbye. Returns how many entries are lost with the process. */
  async close(): Promise<number> {
    this.#isClosing = true;
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(late.resolve, FLUSH_MS);
    await Promise.race([this.flush(), late.promise]);
    const lost = this.unwritten + this.#options.queue.size;
    // A process that takes entries with it does not say goodbye: a gap will be noted in its place.
    if (lost === 0 && !this.#options.queue.hasGaps) await Promise.race([this.#sayGoodbye(), late.promise]);
    clearTimeout(timer);
    clearTimeout(this.#timer);
    return lost;
  }

  #later(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#start();
    }, ms);
    this.#timer.unref();
  }

  #start(): void {
    this.#running ??= this.#drain()
      .then(
        () => {
          this.#retryMs = RETRY_FIRST_MS;
        },
        (error: unknown) => {
          const { size } = this.#options.queue;
          this.#options.logger.warn(
            { err: error, waiting: size },
            'decisions could not be recorded; it is tried again',
          );
          if (this.#isClosing) return;
          this.#later(this.#retryMs);
          this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
        },
      )
      .finally(() => {
        this.#running = null;
        if (this.#timer === undefined && (this.#options.queue.size > 0 || this.#options.queue.hasGaps)) this.wake();
      });
  }

  async #drain(): Promise<void> {
    const { queue } = this.#options;
    while (this.#batch !== null || queue.size > 0) {
      this.#batch ??= this.#nextBatch();
      await this.#write(this.#batch);
      this.#batch = null;
    }
    await this.#writeGaps();
  }

  #nextBatch(): Batch {
    const noted = this.#options.queue.take(MAX_BATCH);
    const { mask } = this.#options;
    return { noted, rows: noted.map((each) => toRow(mask.entry(each), this.#ids.at(each.atMs))) };
  }

  /** One entry the database will not have must not keep the others: it is found by halves. */
  async #write({ noted, rows }: Batch): Promise<void> {
    try {
      await this.#options.db.unauditedWriteOne('all-organizations', 'the decision log is a log', async (tx) => {
        await insertEntries(tx, rows);
      });
      this.#options.onWritten(rows.length);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const [only] = noted;
      if (only !== undefined && noted.length === 1) {
        this.#options.logger.error({ err: error }, 'a decision cannot be recorded');
        this.#options.queue.lose(only, 'unwritable');
        this.#options.onLost(only);
        return;
      }
      const half = noted.length >> 1;
      await this.#write({ noted: noted.slice(0, half), rows: rows.slice(0, half) });
      await this.#write({ noted: noted.slice(half), rows: rows.slice(half) });
    }
  }

  async #writeGaps(): Promise<void> {
    const { queue, db, logger } = this.#options;
    if (!queue.hasGaps) return;
    const gaps = queue.takeGaps();
    try {
      await db.unauditedWrite('all-organizations', 'a gap in the decision log', async (tx) => {
        await insertGaps(tx, gaps);
      });
      logger.error({ gaps: gaps.map(([orgId, gap]) => ({ orgId, ...gap })) }, 'the decision log has a gap');
    } catch (error) {
      queue.putBack(gaps);
      throw error;
    }
  }

  async #sayGoodbye(): Promise<void> {
    await this.#options.db
      .unauditedWrite('all-organizations', 'a writer of the decision log ends', async (tx) => {
        await noteWriter(tx, this.writerId, false);
      })
      .catch(() => undefined);
  }
}
