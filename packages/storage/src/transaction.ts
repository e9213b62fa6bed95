import type { EntityManager, QueryRunner } from 'typeorm';

declare const readable: unique symbol;
declare const writable: unique symbol;

/** A database transaction, scoped by row-level security to one organisation (or, loudly, to all). */
export interface Tx {
  /** The organisation whose rows are visible; null when row-level security is lifted. */
  readonly orgId: string | null;
  readonly manager: EntityManager;
  /** Runs one parameterised statement and returns its rows (for UPDATE and DELETE those of RETURNING). */
  query<Row extends object>(sql: string, params?: readonly unknown[]): Promise<Row[]>;
}

/** May read. Comes from a READ ONLY transaction or from any writing one. */
export interface ReadTx extends Tx {
  readonly [readable]: true;
}

/** How long an authorisation decision may be acted upon, on the monotonic clock of this process. */
export interface Validity {
  /** Monotonic milliseconds at which the decision was asked for. */
  readonly decidedAtMonotonicMs: number;
  readonly validForMs: number;
}

/** May write. Mutations of what users own go through `audit.mutate`, whose transaction is a WriteTx too. */
export interface WriteTx extends ReadTx {
  readonly [writable]: true;
  /**
   * Lets the transaction commit only while this decision (and every other one named) is still valid. The check runs
   * on the server in the same round trip as COMMIT, so a process that was paused in between cannot act late.
   * On failure nothing is written and DECISION_EXPIRED is thrown.
   */
  fence(decision: Validity): void;
}

/** What the storage package alone sees of a transaction. */
export interface OpenTransaction {
  readonly tx: WriteTx;
  /** Milliseconds after the start of the transaction until which it may commit; undefined when it is not fenced. */
  fenceMs(): number | undefined;
}

// TypeORM hands back [rows, affected] for UPDATE and DELETE, plain rows otherwise.
const rowsOf = (result: unknown): unknown[] => {
  if (!Array.isArray(result)) return [];
  if (result.length === 2 && Array.isArray(result[0]) && typeof result[1] === 'number') return result[0] as unknown[];
  return result as unknown[];
};

class RunningTransaction implements Tx {
  readonly orgId: string | null;
  readonly #runner: QueryRunner;
  readonly #startedAtMs: number;
  #fenceMs: number | undefined;

  constructor(runner: QueryRunner, orgId: string | null, startedAtMs: number) {
    this.#runner = runner;
    this.orgId = orgId;
    this.#startedAtMs = startedAtMs;
  }

  // The start is taken after the server's, so the distance to the deadline is never overestimated.
  fence(decision: Validity): void {
    const remainingMs = decision.decidedAtMonotonicMs + decision.validForMs - this.#startedAtMs;
    this.#fenceMs = Math.min(this.#fenceMs ?? Number.POSITIVE_INFINITY, Math.floor(remainingMs));
  }

  fenceMs(): number | undefined {
    return this.#fenceMs;
  }

  get manager(): EntityManager {
    return this.#runner.manager;
  }

  async query<Row extends object>(sql: string, params: readonly unknown[] = []): Promise<Row[]> {
    return rowsOf(await this.#runner.query(sql, [...params])) as Row[];
  }
}

/** Only the storage package makes transactions; the cast lives here so that nobody else needs one. */
export const openTransaction = (runner: QueryRunner, orgId: string | null, startedAtMs: number): OpenTransaction => {
  const running = new RunningTransaction(runner, orgId, startedAtMs);
  return { tx: running as unknown as WriteTx, fenceMs: () => running.fenceMs() };
};
