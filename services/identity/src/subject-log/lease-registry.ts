/** One process that holds leases: a restart is a new boot, and a new boot holds none of the old leases. */
export interface Replica {
  readonly replicaId: string;
  readonly bootId: string;
}

export interface LeaseHolder extends Replica {
  /** Monotonic ms after which no lease granted so far can still be in force. */
  readonly expiresAtMs: number;
}

interface Entry {
  readonly replica: Replica;
  expiresAtMs: number;
  readonly applied: Map<string, bigint>;
}

/** Told of every acknowledgement. */
export type AckListener = () => void;

const MAX_REPLICAS = 10_000;

/**
 * Who may hold a lease granted by this process, and what they have applied. Pure memory; times are monotonic ms.
 *
 * A lease is noted *before* the heads behind it are read. So whoever looks here after a commit sees every lease whose
 * read came before that commit; leases noted later rest on reads that saw it.
 */
export class LeaseRegistry {
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<AckListener>();
  readonly #lifeMs: number;

  /** `lifeMs`: the lease's ttl and what clocks may differ in rate (revocation.md §7: W). */
  constructor(lifeMs: number) {
    this.#lifeMs = lifeMs;
  }

  /** Notes that a lease may come of a read that starts now. */
  expect(replica: Replica, nowMs: number): void {
    this.#forgetExpired(nowMs);
    this.#entry(replica).expiresAtMs = nowMs + this.#lifeMs;
  }

  /** Notes what a replica says it has applied. */
  acknowledge(replica: Replica, applied: Iterable<readonly [orgId: string, position: bigint]>): void {
    const entry = this.#entry(replica);
    for (const [orgId, position] of applied) entry.applied.set(orgId, position);
    for (const listener of this.#listeners) listener();
  }

  /** Everybody who may hold a lease now. */
  holders(nowMs: number): LeaseHolder[] {
    return [...this.#entries.values()]
      .filter(({ expiresAtMs }) => expiresAtMs > nowMs)
      .map(({ replica, expiresAtMs }) => ({ ...replica, expiresAtMs }));
  }

  hasApplied(replica: Replica, orgId: string, position: bigint): boolean {
    const applied = this.#entries.get(keyOf(replica))?.applied.get(orgId);
    return applied !== undefined && applied >= position;
  }

  /** Calls back on every acknowledgement until the returned function is called. */
  onAcknowledged(listener: AckListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  #entry(replica: Replica): Entry {
    const key = keyOf(replica);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { replica: { replicaId: replica.replicaId, bootId: replica.bootId }, expiresAtMs: 0, applied: new Map() };
      this.#entries.set(key, entry);
    }
    return entry;
  }

  #forgetExpired(nowMs: number): void {
    if (this.#entries.size < MAX_REPLICAS) return;
    for (const [key, { expiresAtMs }] of this.#entries) if (expiresAtMs <= nowMs) this.#entries.delete(key);
  }
}

const keyOf = ({ replicaId, bootId }: Replica): string => `${replicaId}\n${bootId}`;
