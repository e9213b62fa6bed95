import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';

import { AppError } from '@sallyport/errors';
import type { ClientBase, QueryResult } from 'pg';
import type { EntityManager, QueryRunner } from 'typeorm';

import { systemClock } from './clock.ts';
import { sqlState } from './pg-errors.ts';

declare const readable: unique symbol;
declare const writable: unique symbol;

/** A statement the server parses and plans once per connection; see {@link statement}. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** See {@link statementByKey}. */
  readonly isByKey: boolean;
}

const STATEMENTS = new Map<string, Statement>();

/**
 * Marks a statement that is run all the time, so that each connection prepares it once. For text that is always the
 * same, never for text that is put together per request: what was prepared is kept as long as its connection.
 */
export const statement = (text: string): Statement => known(text, false);

/**
 * {@link statement} that reaches every table by a key, however large each is. As a transaction of its own
 * ({@link Database.readOne}) it is planned once for all values, and by index also while the tables are still empty:
 * planning a statement of many parts costs more than running it.
 */
export const statementByKey = (text: string): Statement => known(text, true);

const known = (text: string, isByKey: boolean): Statement => {
  const key = isByKey ? `by key: ${text}` : text;
  const found = STATEMENTS.get(key);
  if (found !== undefined) return found;
  const name = createHash('sha256').update(key).digest('base64url').slice(0, 32);
  const made = Object.freeze({ name, text, isByKey });
  STATEMENTS.set(key, made);
  return made;
};

/** A database transaction, scoped by row-level security to one organisation (or, loudly, to all). */
export interface Tx {
  /** The organisation whose rows are visible; null when row-level security is lifted. */
  readonly orgId: string | null;
  readonly manager: EntityManager;
  /**
   * Runs one parameterised statement and returns its rows (for UPDATE and DELETE those of RETURNING). Statements run
   * in the order of the calls; calls that do not wait for each other share a round trip.
   */
  query<Row extends object>(sql: string | Statement, params?: readonly unknown[]): Promise<Row[]>;
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
  /**
   * Asked right before COMMIT, inside the transaction: whether the authority behind the decision still stands. Null:
   * it does not. What it returns is called when the commit has ended; until then nobody who waits for running commits
   * goes on.
   */
  readonly hold?: (transaction: Tx) => Promise<(() => void) | null>;
}

/** May write. Mutations of what users own go through `audit.mutate`, whose transaction is a WriteTx too. */
export interface WriteTx extends ReadTx {
  readonly [writable]: true;
  /**
   * Lets the transaction commit only while this decision (and every other one named) is still valid. The check runs
   * on the server in the same round trip as COMMIT, so a process that was paused in between cannot act late. Before
   * it every `hold` is asked. On failure nothing is written and DECISION_EXPIRED is thrown.
   */
  fence(decision: Validity): void;
  /**
   * Runs once the work is done and sends its statements in the same flight as COMMIT, so that locks they take are held
   * for no further round trip. Their answers arrive with that of COMMIT: an error of the database undoes everything,
   * nothing else can any more.
   */
  atCommit(send: () => Promise<void>): void;
}

const FENCE_STATE = 'SPFEN';

const expired = (): AppError =>
  new AppError('DECISION_EXPIRED', 'The decision expired before the change could take effect. Try again.');

const ignore = (): undefined => undefined;

interface Opening {
  readonly orgId: string | null;
  /** The statements that begin it. */
  readonly begin: string;
}

/** One transaction on one connection, from BEGIN to its end. Only the storage package makes transactions. */
export class RunningTransaction implements Tx {
  readonly orgId: string | null;
  readonly #runner: QueryRunner;
  readonly #client: ClientBase;
  readonly #begun: Promise<unknown>;
  readonly #decisions: Validity[] = [];
  readonly #atCommit: (() => Promise<void>)[] = [];
  #startedAtMs = Number.NEGATIVE_INFINITY;
  #hasEnded = false;
  #isGathering = false;

  /** `begin` is sent at once; the first statement follows without waiting for its answer. */
  constructor(runner: QueryRunner, client: ClientBase, { orgId, begin }: Opening) {
    this.#runner = runner;
    this.#client = client;
    this.#gather();
    this.orgId = orgId;
    // Taken after the server's, so the distance to a deadline is never overestimated.
    this.#begun = client.query(begin).then(
      () => {
        this.#startedAtMs = systemClock.monotonicMs();
      },
      (cause: unknown) => {
        throw new AppError('UNAVAILABLE', 'The database does not answer.', { cause });
      },
    );
    this.#begun.catch(ignore);
  }

  /** Writing and reading are told apart by type only; the cast lives here so that nobody else needs one. */
  asWriteTx(): WriteTx {
    return this as unknown as WriteTx;
  }

  get manager(): EntityManager {
    return this.#runner.manager;
  }

  fence(decision: Validity): void {
    this.#decisions.push(decision);
  }

  atCommit(send: () => Promise<void>): void {
    this.#atCommit.push(send);
  }

  async query<Row extends object>(sql: string | Statement, params: readonly unknown[] = []): Promise<Row[]> {
    // The connection serves somebody else by then.
    if (this.#hasEnded) throw new AppError('INTERNAL', 'A statement came after the end of its transaction.');
    const answer = this.#send(typeof sql === 'string' ? { text: sql } : sql, params);
    answer.catch(ignore);
    await this.#begun;
    return (await answer).rows as Row[];
  }

  /** Commits, together with what was kept for the commit. @throws DECISION_EXPIRED when a fence has fallen */
  async commit(): Promise<void> {
    await this.#begun;
    const releases: (() => void)[] = [];
    try {
      for (const { hold } of this.#decisions) {
        const release = hold === undefined ? ignore : await hold(this);
        if (release === null) throw expired();
        releases.push(release);
      }
      await this.#commitHeld();
    } finally {
      for (const release of releases) release();
    }
  }

  async #commitHeld(): Promise<void> {
    const sent = this.#atCommit.map((send) => send());
    for (const answer of sent) answer.catch(ignore);
    this.#hasEnded = true;
    const committed = this.#commit();
    committed.catch(ignore);
    // The first error is the cause; what follows it only says that the transaction was aborted.
    for (const answer of sent) await answer;
    await committed;
  }

  /** Ends a reading transaction; nobody needs to wait for it. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    await this.#client.query('COMMIT');
  }

  async rollback(): Promise<void> {
    this.#hasEnded = true;
    await this.#client.query('ROLLBACK');
  }

  /** What is sent in one turn leaves in one write. */
  #gather(): void {
    if (this.#isGathering) return;
    const { stream } = (this.#client as unknown as { readonly connection: { readonly stream: Duplex } }).connection;
    this.#isGathering = true;
    stream.cork();
    const send = (): void => {
      this.#isGathering = false;
      stream.uncork();
    };
    // After every promise that is settled already has been followed.
    queueMicrotask(() => {
      process.nextTick(send);
    });
  }

  #send(sql: { readonly text: string; readonly name?: string }, params: readonly unknown[]): Promise<QueryResult> {
    this.#gather();
    // Text without parameters may hold several statements; a prepared one never does.
    if (params.length === 0 && sql.name === undefined) return this.#client.query(sql.text);
    return this.#client.query({ ...sql, values: [...params] });
  }

  async #commit(): Promise<void> {
    this.#gather();
    const fenceMs = this.#fenceMs();
    // The fence and COMMIT travel in one message: nothing can pause between them.
    const text = fenceMs === undefined ? 'COMMIT' : `SELECT public.sallyport_fence(${String(fenceMs)}); COMMIT`;
    try {
      const answers = [await this.#client.query(text)].flat();
      // A transaction in which a statement failed is rolled back by COMMIT, without an error.
      if (answers.at(-1)?.command !== 'COMMIT') throw new AppError('INTERNAL', 'A transaction did not commit.');
    } catch (error) {
      throw sqlState(error) === FENCE_STATE ? expired() : error;
    }
  }

  /** Milliseconds after the start of the transaction until which it may commit; undefined when it is not fenced. */
  #fenceMs(): number | undefined {
    if (this.#decisions.length === 0) return undefined;
    const deadlineMs = Math.min(...this.#decisions.map((each) => each.decidedAtMonotonicMs + each.validForMs));
    return Math.floor(deadlineMs - this.#startedAtMs);
  }
}
