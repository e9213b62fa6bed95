import type { WriteTx } from '@sallyport/storage';

import type { Personal } from './personal.ts';

export type JsonValue = null | boolean | number | string | bigint | Personal | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: JsonValue | undefined;
}

/** Who acts. `id` is a pseudonymous identifier, never a name or an address. */
export interface Actor {
  readonly type: 'user' | 'service_account' | 'connection' | 'system' | 'operator' | 'anonymous';
  readonly id: string;
  /** Class and id of the credential used, for example `api_token:0190…`; never the secret. */
  readonly via?: string;
  readonly session?: string;
}

/** Who asks for a mutation, from where and in which request. Without one nothing can be mutated. */
export interface AuditContext {
  readonly orgId: string;
  readonly actor: Actor;
  /** Set when the actor acts for somebody else. */
  readonly onBehalfOf?: Actor;
  readonly ip?: string;
  readonly userAgent?: string;
  readonly requestId: string;
}

export interface AuditTarget {
  readonly type: string;
  readonly id: string;
  readonly version?: string;
}

export type AuditOutcome = 'success' | 'denied' | 'failed';

export interface AuditEvent {
  /** `noun.past-tense`, for example `account.deactivated`. */
  readonly action: string;
  readonly target: AuditTarget;
  /** State before and after, read in the same transaction under lock. Names, addresses … wrapped in `personal()`. */
  readonly before?: JsonObject;
  readonly after?: JsonObject;
  readonly reason?: string;
  readonly environment?: string;
  readonly approvalRef?: string;
  /** The authorisation decision this rests on: decision, reason, matched grant, policy revision. */
  readonly decision?: JsonObject;
  /** Default `success`. */
  readonly outcome?: AuditOutcome;
}

/** Where an entry stands: `<origin>#<index>:<leaf hash>`; with it the log can be held to what it once said. */
export interface AuditReceipt {
  readonly origin: string;
  readonly index: bigint;
  /** SHA-256(0x00 ‖ leaf), hex (RFC 9162 §2.1.1). */
  readonly leafHash: string;
  toString(): string;
}

/** A transaction that commits only together with its audit entries. */
export interface AuditedTx extends WriteTx {
  readonly orgId: string;
  readonly audit: AuditContext;
  /**
   * Adds an entry; entries are appended in this order after the mutation's own statements. `context`: whose request it
   * was, where one transaction serves several requests of one actor; default: that of the transaction.
   */
  record(event: AuditEvent, context?: AuditContext): void;
  /** Says that nothing was changed, so that no entry is due. */
  unchanged(): void;
  /**
   * Makes the keys of subjects that come into being in this transaction and that entries will be about: here and now, so
   * that they travel with the mutation's own statements. For nobody who may have one already: that fails the transaction.
   */
  createSubjectKeys(newSubjectIds: readonly string[]): void;
  /** Runs after the entries were appended, as the very last statements before COMMIT (the subject log). */
  last(work: (tx: WriteTx, receipts: readonly AuditReceipt[]) => Promise<void>): void;
}
