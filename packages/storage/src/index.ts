/**
 * PostgreSQL for a service.
 *
 * Owns: the connection pool, transactions scoped to one organisation by row-level security, migrations, LISTEN, the
 * clock, identifiers and stored secrets. Does not own: what is stored (the services' `store.ts`), nor audit entries
 * (packages/audit, which builds on the transactions made here).
 */
export { Batcher, type BatcherOptions } from './batcher.ts';
export { systemClock, type Clock } from './clock.ts';
export { openDatabase, type Database, type DatabaseOptions, type WriteScope } from './database.ts';
export { isId, newId } from './ids.ts';
export type { Unlisten } from './listen.ts';
export {
  assertSchemaCurrent,
  migrate,
  orgTable,
  serviceRole,
  sqlMigration,
  type Migration,
  type MigrateOptions,
  type OrgTableOptions,
} from './migrate.ts';
export {
  isForeignKeyViolation,
  isInsufficientPrivilege,
  isSerializationFailure,
  isUniqueViolation,
  sqlState,
} from './pg-errors.ts';
export { describeSchema } from './schema.ts';
export { constantTimeEqual, isWellFormedSecret, newSecret, secretHash } from './secrets.ts';
export {
  statement,
  statementByKey,
  type ReadTx,
  type Statement,
  type Tx,
  type Validity,
  type WriteTx,
} from './transaction.ts';
