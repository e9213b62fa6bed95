import type { Keyring } from '@sallyport/keyring';
import type { Clock, Database } from '@sallyport/storage';
import type { Logger, Metrics } from '@sallyport/telemetry';

import type { Decision, DecisionObserver, Made, Refused } from '../decide/index.ts';
import { isProductionWrite, noteOf } from './entry.ts';
import { Mask } from './mask.ts';
import { policyHash } from './policy-hash.ts';
import { Queue, kindOf } from './queue.ts';
import { deleteOlder, noteEndedWriters, noteWriter } from './store.ts';
import { Writer } from './writer.ts';

export interface DecisionLogOptions {
  readonly db: Database;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** One of so many allowed decisions that write nothing in production is recorded; 0: none of them. */
  readonly readsEvery: number;
  /** Entries that may wait to be written. */
  readonly maxQueued: number;
  readonly retentionMs: number;
}

const MINUTE_MS = 60_000;
const HEARTBEAT_MS = 10_000;
/** A writer that was not heard of for so long is taken to have ended without a word. */
const SILENT_MS = MINUTE_MS;
const SWEEP_MS = 10 * MINUTE_MS;
const SWEEP_ENTRIES = 5_000;
const MICROSECONDS_PER_MS = 1_000;

const UNSAMPLED = 1;

/**
 * Keeps a record of decisions without being on their way: what must be kept is put into a bounded queue, a writer of its
 * own empties it into the database.
 *
 * Kept whenever it happens: every denial, and every permission to write in production. Of everything else one in so many.
 * What is guaranteed, and what happens when the database is away or does not keep up: ADR 0016.
 */
export class DecisionLog implements DecisionObserver {
  readonly mask: Mask;
  readonly #options: DecisionLogOptions;
  readonly #queue: Queue;
  readonly #writer: Writer;
  readonly #entries;
  readonly #lost;
  readonly #waiting;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #listeners = new Set<() => void>();
  #untilSample: number;
  #isOverloaded = false;

  constructor(options: DecisionLogOptions) {
    const { db, keyring, logger, metrics } = options;
    this.#options = options;
    this.#untilSample = options.readsEvery;
    this.mask = new Mask(keyring);
    this.#queue = new Queue(options.maxQueued);
    this.#entries = metrics.counter({ name: 'decision_log_entries_total', help: 'Decisions recorded' });
    this.#lost = metrics.counter({
      name: 'decision_log_lost_total',
      help: 'Decisions that should be in the log and are not, by what they were; each is part of a gap record',
      labels: ['kind'],
    });
    for (const kind of ['denials', 'productionWrites', 'reads']) this.#lost.inc({ kind }, 0);
    this.#waiting = metrics.gauge({ name: 'decision_log_waiting_count', help: 'Decisions not yet written' });
    this.#writer = new Writer({
      db,
      queue: this.#queue,
      mask: this.mask,
      logger,
      onWritten: (count) => {
        this.#entries.inc(count);
        this.#waiting.set(this.#queue.size);
        this.#isOverloaded = false;
        for (const listener of this.#listeners) listener();
      },
      onLost: (noted) => {
        this.#lost.inc({ kind: kindOf(noted) });
      },
    });
  }

  /** Begins to be heard of by the other replicas, to look for those that are not, and to sweep. */
  start(): void {
    const every = (ms: number, work: () => Promise<unknown>): void => {
      const run = (): void => {
        work().catch((error: unknown) => {
          this.#options.logger.warn({ err: error }, 'the decision log could not be looked after');
        });
      };
      run();
      this.#timers.push(setInterval(run, ms).unref());
    };
    every(HEARTBEAT_MS, () => this.beat());
    every(SWEEP_MS, () => this.sweep());
  }

  decided(request: Refused, decision: Decision, made: Made): void {
    if (request.asker?.kind === 'listing') return;
    let oneIn = UNSAMPLED;
    if (decision.allowed && !isProductionWrite(request.action, made.place)) {
      if ((this.#untilSample -= 1) !== 0) return;
      oneIn = this.#options.readsEvery;
      this.#untilSample = oneIn;
    }
    const latencyUs = Math.round((this.#options.clock.monotonicMs() - made.monotonicMs) * MICROSECONDS_PER_MS);
    const hash = made.index === undefined ? null : policyHash(made.index);
    const noted = noteOf(request, decision, made, { latencyUs, policyHash: hash, oneIn });
    if (!this.#queue.add(noted)) this.#overloaded(kindOf(noted));
    this.#writer.wake();
  }

  #overloaded(kind: string): void {
    this.#lost.inc({ kind });
    if (this.#isOverloaded) return;
    this.#isOverloaded = true;
    const { maxQueued: waiting } = this.#options;
    this.#options.logger.error({ waiting }, 'decisions are not recorded any more: too many wait to be written');
  }

  /** Told whenever entries were written. Returns what ends that. */
  onWritten(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when everything noted so far is written, or the database refused. */
  async flush(): Promise<void> {
    await this.#writer.flush();
  }

  /** Says that this process lives, and notes a gap for every one that does not any more. */
  async beat(): Promise<void> {
    const times = { silentMs: SILENT_MS, heartbeatMs: HEARTBEAT_MS };
    const ended = await this.#options.db.unauditedWrite(
      'all-organizations',
      'writers of the decision log',
      async (tx) => {
        await noteWriter(tx, this.#writer.writerId, true);
        return await noteEndedWriters(tx, times);
      },
    );
    if (ended > 0) this.#options.logger.error({ ended }, 'a process ended and may have taken decisions with it');
  }

  /** Deletes what is older than the retention. Returns how many entries. */
  async sweep(): Promise<number> {
    let total = 0;
    for (;;) {
      const deleted = await this.#options.db.unauditedWrite(
        'all-organizations',
        'retention of the decision log',
        async (tx) => await deleteOlder(tx, this.#options.retentionMs, SWEEP_ENTRIES),
      );
      total += deleted;
      if (deleted < SWEEP_ENTRIES) return total;
    }
  }

  /** Writes what is left; what cannot be written within 5 s is lost, and said to be. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    const lost = await this.#writer.close();
    if (lost > 0) this.#options.logger.error({ lost }, 'decisions that were not recorded are lost with the process');
  }
}
