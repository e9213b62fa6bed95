/**
 * The audit log of one service: one append-only log per organisation in the service's own schema.
 *
 * Owns: the entry's exact bytes, the append inside the mutation's own transaction, personal values beside the log,
 * listing and export. Does not own: what is recorded (the commands that mutate), nor the tree, checkpoints and proofs
 * over the leaves (packages/tlog, to come). Depends on PostgreSQL for order and for being append-only.
 */
export { createAuditLog, type AuditLog, type AuditLogOptions, type MutationResult } from './audit-log.ts';
export type {
  Actor,
  AuditContext,
  AuditEvent,
  AuditOutcome,
  AuditReceipt,
  AuditTarget,
  AuditedTx,
  JsonObject,
  JsonValue,
} from './event.ts';
export { leafHash } from './leaf.ts';
export { auditAppendMigration, auditAppendTogetherMigration, auditMigrations } from './migration.ts';
export { personal, type Personal } from './personal.ts';

export type { AuditFilter, AuditRecord } from './view.ts';
