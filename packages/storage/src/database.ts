import { AppError } from '@sallyport/errors';
import type { ClientBase } from 'pg';
import { DataSource, type EntitySchema, type QueryRunner } from 'typeorm';

import { isId } from './ids.ts';
import { listen, type Unlisten } from './listen.ts';
import { SingleStatement } from './single-statement.ts';
import { RunningTransaction, type ReadTx, type WriteTx } from './transaction.ts';

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
  /** {@link read} for work of exactly one statement: it goes and comes in one round trip. */
  readOne<T>(orgId: string, work: (tx: ReadTx) => Promise<T>): Promise<T>;
  /** {@link readAcrossOrganizations} for work of exactly one statement. */
  readOneAcrossOrganizations<T>(reason: string, work: (tx: ReadTx) => Promise<T>): Promise<T>;
  /**
   * Writing transaction without an audit entry: protocol state, cursors, last-used times. What a person or an IdP
   * changes goes through `audit.mutate`. `reason` says why no entry is due.
   */
  unauditedWrite<T>(scope: WriteScope, reason: string, work: (tx: WriteTx) => Promise<T>): Promise<T>;
  /** {@link unauditedWrite} for work of exactly one statement: it goes, is committed and comes in one round trip. */
  unauditedWriteOne<T>(scope: WriteScope, reason: string, work: (tx: WriteTx) => Promise<T>): Promise<T>;
  /** Calls back on NOTIFY, and after every (re)connection, when notifications may have been missed. */
  listen(channel: string, onNotify: (payload: string) => void, onArmed: () => void): Promise<Unlisten>;
  /** @throws UNAVAILABLE when the database does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

const beginStatement = (orgId: string | null, readOnly: boolean): string => {
  const begin = readOnly ? 'BEGIN READ ONLY' : 'BEGIN';
  // The id is checked to be a UUID before it gets here: SET takes no parameters.
  return orgId === null
    ? `${begin}; SET LOCAL sallyport.all_orgs = 'on'; SET LOCAL sallyport.org_id = ''`
    : `${begin}; SET LOCAL sallyport.all_orgs = 'off'; SET LOCAL sallyport.org_id = '${orgId}'`;
};

const requireId = (orgId: string): string => {
  if (!isId(orgId)) throw new AppError('NOT_FOUND', 'There is no such organisation.');
  return orgId;
};

class PostgresDatabase implements Database {
  readonly schema: string;
  readonly source: DataSource;
  readonly #options: DatabaseOptions;
  readonly #onError: (error: unknown) => void;

  constructor(options: DatabaseOptions, source: DataSource) {
    this.#onError = options.onError ?? (() => undefined);
    this.schema = options.schema;
    this.source = source;
    this.#options = options;
  }

  async read<T>(orgId: string, work: (tx: ReadTx) => Promise<T>): Promise<T> {
    return await this.#read(requireId(orgId), work);
  }

  async readAcrossOrganizations<T>(_reason: string, work: (tx: ReadTx) => Promise<T>): Promise<T> {
    return await this.#read(null, work);
  }

  async readOne<T>(orgId: string, work: (tx: ReadTx) => Promise<T>): Promise<T> {
    return await this.#one({ orgId: requireId(orgId), readOnly: true }, work);
  }

  async readOneAcrossOrganizations<T>(_reason: string, work: (tx: ReadTx) => Promise<T>): Promise<T> {
    return await this.#one({ orgId: null, readOnly: true }, work);
  }

  async unauditedWrite<T>(scope: WriteScope, _reason: string, work: (tx: WriteTx) => Promise<T>): Promise<T> {
    return await this.#write(scope === ALL_ORGANIZATIONS ? null : requireId(scope), work);
  }

  async unauditedWriteOne<T>(scope: WriteScope, _reason: string, work: (tx: WriteTx) => Promise<T>): Promise<T> {
    return await this.#one({ orgId: scope === ALL_ORGANIZATIONS ? null : requireId(scope), readOnly: false }, work);
  }

  async listen(channel: string, onNotify: (payload: string) => void, onArmed: () => void): Promise<Unlisten> {
    return await listen({
      url: this.#options.url,
      applicationName: `${this.#options.applicationName}-listen`,
      channel,
      onNotify,
      onArmed,
      onError: this.#onError,
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

  async #one<T>(
    scope: { readonly orgId: string | null; readonly readOnly: boolean },
    work: (tx: WriteTx) => Promise<T>,
  ): Promise<T> {
    const { runner, client } = await this.#connect();
    try {
      return await work(new SingleStatement(client, scope).asWriteTx());
    } finally {
      await runner.release();
    }
  }

  async #read<T>(orgId: string | null, work: (tx: ReadTx) => Promise<T>): Promise<T> {
    const { runner, transaction } = await this.#begin(orgId, true);
    let end = (): Promise<void> => transaction.end();
    try {
      return await work(transaction.asWriteTx());
    } catch (error) {
      end = () => transaction.rollback();
      throw error;
    } finally {
      // What was read is known: the answer need not wait until the server has closed a transaction that wrote nothing.
      // When it cannot be closed, the connection is gone and the pool drops it.
      void end()
        .catch(() => undefined)
        .then(() => runner.release())
        .catch(this.#onError);
    }
  }

  async #write<T>(orgId: string | null, work: (tx: WriteTx) => Promise<T>): Promise<T> {
    const { runner, transaction } = await this.#begin(orgId, false);
    try {
      const value = await work(transaction.asWriteTx());
      await transaction.commit();
      return value;
    } catch (error) {
      // A failed rollback means that the connection is gone, and with it the transaction.
      await transaction.rollback().catch(() => undefined);
      throw error;
    } finally {
      await runner.release();
    }
  }

  async #begin(
    orgId: string | null,
    readOnly: boolean,
  ): Promise<{ readonly runner: QueryRunner; readonly transaction: RunningTransaction }> {
    const { runner, client } = await this.#connect();
    const begin = beginStatement(orgId, readOnly);
    return { runner, transaction: new RunningTransaction(runner, client, { orgId, begin }) };
  }

  async #connect(): Promise<{ readonly runner: QueryRunner; readonly client: ClientBase }> {
    const runner = this.source.createQueryRunner();
    try {
      return { runner, client: (await runner.connect()) as ClientBase };
    } catch (error) {
      await runner.release();
      throw new AppError('UNAVAILABLE', 'The database does not answer.', { cause: error });
    }
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
      // Statements that do not wait for each other share a round trip.
      pipeline: true,
      // A server that goes in the breath in which it lets somebody in says so before whoever asked for the connection
      // can listen, and what nobody listens to ends the process. The next statement is told.
      onConnect: (client: ClientBase) => {
        client.on('error', () => undefined);
      },
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
