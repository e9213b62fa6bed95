import { AppError } from '@sallyport/errors';
import pg, { type ClientBase, type QueryResult } from 'pg';
import type { EntityManager } from 'typeorm';

import { sqlState } from './pg-errors.ts';
import type { Statement, Tx, WriteTx } from './transaction.ts';

/** The connection as a query of pg drives it (PostgreSQL's extended query protocol). */
interface Wire {
  bind(message: { readonly statement: string; readonly values: readonly string[] }): void;
  execute(message: object): void;
}

/** What pg's own query does, as far as it is carried on here. */
interface QueryBase {
  prepare(wire: Wire): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, wire: Wire): void;
}

const base = pg.Query.prototype as unknown as QueryBase;

/** The organisation of the transaction, and whether it may write. */
interface Scope {
  /** Null: all organisations. */
  readonly orgId: string | null;
  readonly readOnly: boolean;
}

const SCOPE = {
  name: 'sallyport_scope',
  text: `SELECT set_config('sallyport.all_orgs', $1, true), set_config('sallyport.org_id', $2, true),
                set_config('transaction_read_only', $3, true)`,
};
/** Ways of the planner that are cheap on tables that are small yet. */
const SCANS = ['enable_seqscan', 'enable_bitmapscan', 'enable_hashjoin', 'enable_mergejoin', 'enable_material'];
/** The same before a statement that is planned once, and by index. */
const SCOPE_BY_KEY = {
  name: 'sallyport_scope_by_key',
  text: `${SCOPE.text}, set_config('plan_cache_mode', 'force_generic_plan', true),
    ${SCANS.map((name) => `set_config('${name}', 'off', true)`).join(', ')}`,
};

/** Connections that know it. */
const PREPARED = new WeakSet<ClientBase>();

const prepareScope = (client: ClientBase): void => {
  if (PREPARED.has(client)) return;
  const values = ['off', '', 'off'];
  Promise.all([client.query({ ...SCOPE, values }), client.query({ ...SCOPE_BY_KEY, values })]).then(
    () => PREPARED.add(client),
    () => undefined, // What comes behind it says so.
  );
};

/**
 * One statement behind the scope it runs in, in one message: up to its end PostgreSQL runs all of it as one transaction,
 * which it commits, or rolls back when anything fails. The rows of the scope are nobody's.
 * @see PostgreSQL documentation, "Extended Query" (pipelining: everything before Sync is one implicit transaction)
 */
class ScopedQuery extends pg.Query {
  readonly #scope: Scope;
  readonly #scopeName: string;
  #isInScope = false;

  constructor(scope: Scope, statement: Partial<Statement> & { readonly text: string }, values: readonly unknown[]) {
    const { isByKey = false, ...named } = statement;
    super({ ...named, values: [...values], queryMode: 'extended' } as ConstructorParameters<typeof pg.Query>[0]);
    this.#scope = scope;
    this.#scopeName = (isByKey ? SCOPE_BY_KEY : SCOPE).name;
  }

  prepare(wire: Wire): void {
    const { orgId, readOnly } = this.#scope;
    const values = [orgId === null ? 'on' : 'off', orgId ?? '', readOnly ? 'on' : 'off'];
    wire.bind({ statement: this.#scopeName, values });
    wire.execute({});
    base.prepare.call(this, wire);
  }

  handleDataRow(message: unknown): void {
    if (this.#isInScope) base.handleDataRow.call(this, message);
  }

  handleCommandComplete(message: unknown, wire: Wire): void {
    if (this.#isInScope) base.handleCommandComplete.call(this, message, wire);
    this.#isInScope = true;
  }
}

const unsupported = (): never => {
  throw new AppError('INTERNAL', 'A transaction of one statement is that statement and nothing else.');
};

/** A transaction of exactly one statement: it goes, is committed and comes in one round trip. */
export class SingleStatement implements Tx {
  readonly orgId: string | null;
  readonly #client: ClientBase;
  readonly #readOnly: boolean;
  #isSent = false;

  constructor(client: ClientBase, { orgId, readOnly }: Scope) {
    this.orgId = orgId;
    this.#client = client;
    this.#readOnly = readOnly;
  }

  readonly fence = unsupported;
  readonly atCommit = unsupported;

  get manager(): EntityManager {
    return unsupported();
  }

  asWriteTx(): WriteTx {
    return this as unknown as WriteTx;
  }

  async query<Row extends object>(sql: string | Statement, params: readonly unknown[] = []): Promise<Row[]> {
    if (this.#isSent) throw new AppError('INTERNAL', 'A statement came after the end of its transaction.');
    this.#isSent = true;
    const { promise, resolve, reject } = Promise.withResolvers<QueryResult>();
    prepareScope(this.#client);
    const scope = { orgId: this.orgId, readOnly: this.#readOnly };
    const query = new ScopedQuery(scope, typeof sql === 'string' ? { text: sql } : sql, params);
    const settled = (error: Error | null | undefined, result: QueryResult): void => {
      if (error === null || error === undefined) resolve(result);
      else reject(error);
    };
    (this.#client.query as unknown as (query: pg.Query, done: typeof settled) => void).call(
      this.#client,
      query,
      settled,
    );
    try {
      return (await promise).rows as Row[];
    } catch (error) {
      if (sqlState(error) !== undefined) throw error;
      throw new AppError('UNAVAILABLE', 'The database does not answer.', { cause: error });
    }
  }
}
