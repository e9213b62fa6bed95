import { serverWaitMs } from './barrier.ts';

/** The row each process that grants leases counts up. */
export interface FeedNodeStore {
  /** Counts this process's row up (creating it if need be) and answers the counts of all others. */
  beat(nodeId: string): Promise<ReadonlyMap<string, bigint>>;
  /** The counts of all others, read now. */
  others(nodeId: string): Promise<ReadonlyMap<string, bigint>>;
  remove(nodeIds: readonly string[]): Promise<void>;
}

export interface FeedNodesOptions {
  readonly nodeId: string;
  readonly store: FeedNodeStore;
  readonly leaseTtlMs: number;
  readonly monotonicMs: () => number;
}

/** Between two beats of a process that grants leases. */
export const BEAT_INTERVAL_MS = 1_000;
/** A process whose last beat is older than this grants nothing. */
export const BEAT_VALID_MS = 3 * BEAT_INTERVAL_MS;
const FORGET_AFTER_MS = 60 * 60 * 1_000;

interface Observed {
  readonly beat: bigint;
  readonly changedAtMs: number;
}

/**
 * Whether other processes may have granted leases, judged without comparing anybody's wall clock: a row counts as
 * dead only after its number stood still, under this process's own monotonic clock, for longer than its owner may
 * grant on it and the last lease granted may live. Whatever was not watched that long counts as alive, so a process
 * that has just started knows nothing for that long.
 */
export class FeedNodes {
  readonly #options: FeedNodesOptions;
  readonly #observed = new Map<string, Observed>();
  readonly #deadAfterMs: number;
  #lastBeatMs = Number.NEGATIVE_INFINITY;

  constructor(options: FeedNodesOptions) {
    this.#options = options;
    this.#deadAfterMs = Math.ceil(BEAT_VALID_MS * 1.05) + serverWaitMs(options.leaseTtlMs);
  }

  /** Keeps this process alive in the eyes of the others. */
  async beat(): Promise<void> {
    const { store, nodeId, monotonicMs } = this.#options;
    const sentAtMs = monotonicMs();
    const others = await store.beat(nodeId);
    this.#lastBeatMs = sentAtMs;
    this.#observe(others);
    const gone = [...others.keys()].filter((id) => this.#silentMs(id) > FORGET_AFTER_MS);
    if (gone.length > 0) await store.remove(gone);
  }

  /** Whether this process may grant leases now: only while the others can see that it is alive. */
  mayGrant(): boolean {
    return this.#options.monotonicMs() - this.#lastBeatMs < BEAT_VALID_MS;
  }

  /** Asks the database now, so that a process that began to grant before the question is seen. */
  async othersMayHaveGranted(): Promise<boolean> {
    const others = await this.#options.store.others(this.#options.nodeId);
    this.#observe(others);
    return [...others.keys()].some((id) => this.#silentMs(id) <= this.#deadAfterMs);
  }

  #observe(others: ReadonlyMap<string, bigint>): void {
    const changedAtMs = this.#options.monotonicMs();
    for (const [id, beat] of others)
      if (this.#observed.get(id)?.beat !== beat) this.#observed.set(id, { beat, changedAtMs });
    for (const id of this.#observed.keys()) if (!others.has(id)) this.#observed.delete(id);
  }

  #silentMs(id: string): number {
    const observed = this.#observed.get(id);
    return observed === undefined ? 0 : this.#options.monotonicMs() - observed.changedAtMs;
  }
}
