import { AppError } from '@sallyport/errors';
import { DataSource, type EntitySchema, type QueryRunner } from 'typeorm';

import { systemClock } from './clock.ts';
import { isId } from './ids.ts';
import { listen, type Unlisten } from './listen.ts';
import { sqlState } from './pg-errors.ts';
import { openTransaction, type ReadTx, type WriteTx } from './transaction.ts';

export interface DatabaseOptions {
  /** Connection URL of the service's own login role. */
  readonly url: string;
  /** The service's schema; unqualified names resolve there, then in `public`. */
  readonly schema: string;
  readonly applicationName: string;
  readonly entities?: readonly EntitySchema<never>[] | readonly EntitySchema[];
  /** Connections of the pool; default 10. */
  readonly poolSize?: number;
  /** Told about errors of idle connections and of the listener; the pool recovers by itself. */
  readonly onError?: (error: unknown) => void;
}

const FENCE_STATE = 'SPFEN';
const ALL_ORGANIZATIONS = 'all-organizations';
export type WriteScope = string;

/** PostgreSQL through TypeORM, with the organisation of every transaction fixed before its first statement. */
export interface Database {
  readonly schema: string;
  readonly source: DataSource;
  /** READ ONLY transaction that sees one organisation's rows. */
  read<T>(orgId: string, work: (tx: ReadTx) => Promise<T>): Promise<T>;
  /** READ ONLY transaction that sees every organisation's rows: for look-ups before the organisation is known. */
  readAcrossOrganizations<T>(reason: string, work: (tx: ReadTx) => Promise<T>): Promise<T>;
  /**
   * Writing transaction without an audit entry: protocol state, cursors, last-used times. What a person or an IdP
   * changes goes through `audit.mutate`. `reason` says why no entry is due.
   */
  unauditedWrite<T>(scope: WriteScope, reason: string, work: (tx: WriteTx) => Promise<T>): Promise<T>;
  /** Calls back on NOTIFY, and after every (re)connection, when notifications may have been missed. */
  listen(channel: string, onNotify: (payload: string) => void, onArmed: () => void): Promise<Unlisten>;
  /** @throws UNAVAILABLE when the database does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

const scopeStatement = (orgId: string | null, readOnly: boolean): string => {
  const mode = readOnly ? 'SET TRANSACTION READ ONLY; ' : '';
  // The id is checked to be a UUID before it gets here: SET takes no parameters.
  return orgId === null
    ? `${mode}SET LOCAL sallyport.all_orgs = 'on'; SET LOCAL sallyport.org_id = ''`
    : `${mode}SET LOCAL sallyport.all_orgs = 'off'; SET LOCAL sallyport.org_id = '${orgId}'`;
};

// The fence and COMMIT travel in one message: nothing can pause between them.
const commit = async (runner: QueryRunner, fenceMs: number | undefined): Promise<void> => {
  if (fenceMs !== undefined) {
    try {
      await runner.query(`SELECT public.sallyport_fence(${String(fenceMs)}); COMMIT; BEGIN`);
    } catch (error) {
      if (sqlState(error) !== FENCE_STATE) throw error;
      throw new AppError('DECISION_EXPIRED', 'The decision expired before the change could take effect. Try again.');
    }
  }
  await runner.commitTransaction();
};

class PostgresDatabase implements Database {
  readonly schema: string;
  readonly source: DataSource;
  readonly #options: DatabaseOptions;

  constructor(options: DatabaseOptions, source: DataSource) {
    this.schema = options.schema;
    this.source = source;
    this.#options = options;
  }

  async read<T>(orgId: string, work: (tx: ReadTx) => Promise<T>): Promise<T> {
    if (!isId(orgId)) throw new AppError('NOT_FOUND', 'There is no such organisation.');
    return await this.#run(orgId, true, work);
  }

  async readAcrossOrganizations<T>(_reason: string, work: (tx: ReadTx) => Promise<T>): Promise<T> {
    return await this.#run(null, true, work);
  }

  async unauditedWrite<T>(scope: WriteScope, _reason: string, work: (tx: WriteTx) => Promise<T>): Promise<T> {
    if (scope !== ALL_ORGANIZATIONS && !isId(scope)) throw new AppError('NOT_FOUND', 'There is no such organisation.');
    return await this.#run(scope === ALL_ORGANIZATIONS ? null : scope, false, work);
  }

  async listen(channel: string, onNotify: (payload: string) => void, onArmed: () => void): Promise<Unlisten> {
    return await listen({
      url: this.#options.url,
      applicationName: `${this.#options.applicationName}-listen`,
      channel,
      onNotify,
      onArmed,
      onError: this.#options.onError ?? (() => undefined),
    });
  }

  async ping(): Promise<void> {
    try {
      await this.source.query('SELECT 1');
    } catch (error) {
      throw new AppError('UNAVAILABLE', 'The database does not answer.', { cause: error });
    }
  }

  async close(): Promise<void> {
    if (this.source.isInitialized) await this.source.destroy();
  }

  async #run<T>(orgId: string | null, readOnly: boolean, work: (tx: WriteTx) => Promise<T>): Promise<T> {
    const runner = this.source.createQueryRunner();
    try {
      await this.#begin(runner, orgId, readOnly);
      const { tx, fenceMs } = openTransaction(runner, orgId, systemClock.monotonicMs());
      const value = await work(tx);
      await commit(runner, fenceMs());
      return value;
    } catch (error) {
      // A failed rollback means that the connection is gone, and with it the transaction.
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      throw error;
    } finally {
      await runner.release();
    }
  }

  async #begin(runner: QueryRunner, orgId: string | null, readOnly: boolean): Promise<void> {
    try {
      await runner.connect();
      await runner.startTransaction();
    } catch (error) {
      throw new AppError('UNAVAILABLE', 'The database does not answer.', { cause: error });
    }
    await runner.query(scopeStatement(orgId, readOnly));
  }
}

/** Connects the pool. @throws UNAVAILABLE when the database cannot be reached. */
export const openDatabase = async (options: DatabaseOptions): Promise<Database> => {
  const source = new DataSource({
    type: 'postgres',
    url: options.url,
    schema: options.schema,
    applicationName: options.applicationName,
    entities: [...(options.entities ?? [])] as EntitySchema[],
    migrations: [],
    synchronize: false,
    logging: false,
    poolSize: options.poolSize ?? 10,
    poolErrorHandler: options.onError ?? (() => undefined),
    connectTimeoutMS: 5_000,
    extra: {
      options: `-c search_path=${options.schema},public -c idle_in_transaction_session_timeout=15000 -c statement_timeout=30000`,
    },
  });
  try {
    await source.initialize();
  } catch (error) {
    throw new AppError('UNAVAILABLE', 'The database cannot be reached.', { cause: error });
  }
  return new PostgresDatabase(options, source);
};
