import type { Logger } from '@sallyport/telemetry';

import type { FeedSession, ReadEntries } from './feed-session.ts';
import { nextHeads, type Heads } from './heads.ts';
import type { LeaseRegistry } from './lease-registry.ts';

export interface FeedHubOptions {
  /** One statement that reads all heads, and whether the server it ran on takes writes. */
  readonly readHeads: () => Promise<{ primary: boolean; heads: ReadonlyMap<string, bigint> }>;
  readonly readEntries: ReadEntries;
  readonly registry: LeaseRegistry;
  /** False while the other processes could not know that this one grants. */
  readonly mayGrant: () => boolean;
  readonly monotonicMs: () => number;
  readonly leaseTtlMs: number;
  readonly logger: Pick<Logger, 'warn' | 'error'>;
}

interface Waiter {
  readonly session: FeedSession;
  readonly nonce: bigint;
}

/**
 * Serves all streams of this process from one reader: wake-ups and Renews alike ask for a read of the heads, one read
 * runs at a time, and each answers every Renew that had arrived before it began.
 *
 * A Grant is thereby sent only from a statement that read all heads on the primary and started after the Renew was
 * received, and it proves the path from the database, not just a live socket.
 */
export class FeedHub {
  readonly #options: FeedHubOptions;
  readonly #sessions = new Set<FeedSession>();
  #heads: Heads | undefined;
  #asked = false;
  #running = false;
  #closed = false;

  constructor(options: FeedHubOptions) {
    this.#options = options;
  }

  add(session: FeedSession): void {
    this.#sessions.add(session);
    this.wake();
  }

  remove(session: FeedSession): void {
    session.close();
    this.#sessions.delete(session);
  }

  /** Asks for a read of the heads that starts after this call. */
  wake(): void {
    this.#asked = true;
    if (!this.#running && !this.#closed) this.#start();
  }

  close(): void {
    this.#closed = true;
    for (const session of this.#sessions) session.close();
    this.#sessions.clear();
  }

  #start(): void {
    this.#running = true;
    this.#pump()
      .catch((error: unknown) => {
        // No Grant was sent: leases run out and replicas deny until a later Renew finds the database back.
        this.#options.logger.warn({ err: error }, 'the subject log could not be read');
      })
      .finally(() => {
        this.#running = false;
        if (this.#asked && !this.#closed) this.#start();
      });
  }

  async #pump(): Promise<void> {
    while (this.#asked && !this.#closed) {
      this.#asked = false;
      if (this.#sessions.size > 0) await this.#tick();
    }
  }

  async #tick(): Promise<void> {
    const { registry, mayGrant, monotonicMs, readHeads } = this.#options;
    // The order is the proof: who waits, then may we, then the note, then the read.
    const waiters = mayGrant() ? this.#takeWaiters() : [];
    for (const { session } of waiters) registry.expect(session.replica, monotonicMs());
    const { primary, heads } = await readHeads();
    if (!primary) {
      this.#options.logger.error({}, 'the database that answered is not the primary: nothing is granted');
      return;
    }
    this.#heads = nextHeads(this.#heads, heads);
    await this.#deliver(this.#heads, waiters);
  }

  #takeWaiters(): Waiter[] {
    return [...this.#sessions].flatMap((session) => {
      const nonce = session.wantsGrant ? session.takeNonce() : undefined;
      return nonce === undefined ? [] : [{ session, nonce }];
    });
  }

  async #deliver(heads: Heads, waiters: readonly Waiter[]): Promise<void> {
    const readEntries = sharedReads(this.#options.readEntries);
    const nonces = new Map(waiters.map(({ session, nonce }) => [session, nonce]));
    const { leaseTtlMs: ttlMs } = this.#options;
    const results = await Promise.allSettled(
      [...this.#sessions].map(async (session) => {
        const nonce = nonces.get(session);
        await session.deliver(heads, readEntries, nonce === undefined ? undefined : { nonce, ttlMs });
      }),
    );
    for (const result of results)
      if (result.status === 'rejected')
        this.#options.logger.warn({ err: result.reason as unknown }, 'a replica could not be served');
  }
}

/** Streams that lack the same entries share one read of them. */
const sharedReads = (readEntries: ReadEntries): ReadEntries => {
  const reads = new Map<string, ReturnType<ReadEntries>>();
  return async (range) => {
    const key = `${range.orgId}:${String(range.after)}:${String(range.until)}`;
    let read = reads.get(key);
    if (read === undefined) {
      read = readEntries(range);
      reads.set(key, read);
    }
    return await read;
  };
};
