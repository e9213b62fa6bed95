/**
 * The one door: every way access can end leads through here (SCIM PATCH, PUT and DELETE, an administrator, a disabled
 * or removed connection, a security event, the end of a session).
 */
import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import type { WriteTx } from '@sallyport/storage';

import { appendSubjectChange, insertPendingReceipt } from '../subject-log/index.ts';
import { auditStanding, statusOf, type Account } from './account.ts';
import type { CredentialVoiders, VoidRequest } from './credential-voiders.ts';
import { listOwned } from './owner-store.ts';
import { countOtherBreakGlass, deleteMemberships, lockAccounts, updateStanding } from './store.ts';

/** More than this at once is several transactions, so that no lock is held long. */
export const MAX_ACCOUNTS_PER_DOOR = 500;

/** What the door needs of the service. */
export interface DoorDependencies {
  readonly credentialVoiders: CredentialVoiders;
  readonly clock: { now(): Date };
}

export interface CloseRequest {
  readonly accountIds: readonly string[];
  /**
   * Who closes: `directory`, `admin` and `connection` each throw their own switch, which only they can throw back;
   * `removal` leaves a tombstone for ever; `security-event` leaves the account open and voids all it holds.
   */
  readonly by: 'directory' | 'admin' | 'connection' | 'removal' | 'security-event';
  /** Stable cause for the record: `scim.deactivated`, `scim.deleted`, `admin.deactivated`, `connection.disabled` ... */
  readonly cause: string;
  /** What a person gave as the reason. */
  readonly reason?: string;
}

export interface ClosedSubject {
  readonly subjectId: string;
  readonly epoch: bigint;
}

/** What the door did. Hand it to `awaitEffective` after the commit, before anybody is told that access has ended. */
export interface Closed {
  readonly orgId: string;
  readonly subjects: readonly ClosedSubject[];
  /** The last position of the subject log it took; undefined until the transaction is about to commit. */
  readonly position: () => bigint | undefined;
}

const VOIDERS = ['sessions', 'apiTokens', 'providerArtifacts'] as const satisfies (keyof CredentialVoiders)[];

export type VoidedCounts = Readonly<Record<keyof CredentialVoiders, number>>;

const voidEverything = async (tx: WriteTx, voiders: CredentialVoiders, request: VoidRequest): Promise<VoidedCounts> => {
  const counts = { sessions: 0, apiTokens: 0, providerArtifacts: 0 };
  for (const kind of VOIDERS) counts[kind] = await voiders[kind](tx, request);
  return counts;
};

const nextStanding = (
  account: Account,
  by: CloseRequest['by'],
): Pick<Account, 'status' | 'directoryActive' | 'adminHold' | 'connectionHold'> => {
  const switches = {
    directoryActive: by === 'directory' ? false : account.directoryActive,
    adminHold: by === 'admin' ? true : account.adminHold,
    connectionHold: by === 'connection' ? true : account.connectionHold,
  };
  return { ...switches, status: by === 'removal' ? 'deleted' : statusOf(switches) };
};

const OPEN_TO: Readonly<Record<CloseRequest['by'], (account: Account) => boolean>> = {
  directory: ({ directoryActive }) => directoryActive,
  admin: ({ adminHold }) => !adminHold,
  connection: ({ connectionHold }) => !connectionHold,
  removal: () => true,
  'security-event': () => true,
};

/** A switch that is thrown already, a tombstone: nothing to do, and no entry that would say otherwise. */
const isOpenTo = (account: Account, by: CloseRequest['by']): boolean =>
  account.status !== 'deleted' && OPEN_TO[by](account);

const ACTIONS: Readonly<Record<CloseRequest['by'], string>> = {
  directory: 'account.deactivated',
  admin: 'account.deactivated',
  connection: 'account.deactivated',
  removal: 'account.deleted',
  'security-event': 'account.epoch-raised',
};

const lockThose = async (tx: AuditedTx, ids: readonly string[]): Promise<Account[]> => {
  const unique = [...new Set(ids)];
  if (unique.length > MAX_ACCOUNTS_PER_DOOR) throw new AppError('INTERNAL', 'Too many accounts in one transaction.');
  const accounts = await lockAccounts(tx, tx.orgId, unique);
  if (accounts.length < unique.length) throw new AppError('NOT_FOUND', 'There is no such account.');
  return accounts;
};

/** One account whose epoch rises, and why. */
interface Ending {
  readonly account: Account;
  readonly by: CloseRequest['by'];
  readonly cause: string;
  readonly reason?: string;
}

/** The service accounts that people who are closed out answer for: what they hold ends with their owner. */
const machinesOf = async (tx: AuditedTx, by: CloseRequest['by'], ids: readonly string[]): Promise<Ending[]> => {
  const all = by === 'security-event' ? [] : await listOwned(tx, tx.orgId, ids);
  const owned = all.filter((id) => !ids.includes(id)); // One that is closed itself is in the list already.
  if (owned.length === 0) return [];
  const machines = await lockAccounts(tx, tx.orgId, owned);
  return machines.map((account) => ({ account, by: 'security-event', cause: 'owner.closed' }));
};

/** @throws CONFLICT when nobody would be left to let anybody in */
const refuseLastOwner = async (tx: AuditedTx, by: CloseRequest['by'], open: readonly Account[]): Promise<void> => {
  if (by === 'security-event' || !open.some(({ breakGlass }) => breakGlass)) return;
  const ids = open.map(({ id }) => id);
  if ((await countOtherBreakGlass(tx, tx.orgId, ids)) === 0)
    throw new AppError('CONFLICT', 'The last local Owner cannot be closed out.');
};

const recordEnding = (tx: AuditedTx, { account: before, by, cause, reason }: Ending, after: Account): void => {
  tx.record({
    action: ACTIONS[by],
    target: { type: 'account', id: after.id, version: after.version.toString() },
    before: auditStanding(before),
    after: { ...auditStanding(after), cause },
    ...(reason === undefined ? {} : { reason }),
  });
};

/**
 * Ends the access of accounts within the caller's transaction. Idempotent: an account that is closed to `by` already
 * is left alone, and when all are, nothing is changed and no entry is due.
 *
 * 1. Locks the accounts, in the order of their ids; 2. refuses to lock out the last local Owner; 3. writes the
 * switches, the status and the next epoch (which alone already voids every credential), the epoch of the service accounts
 * they own too; 4. voids sessions, API tokens
 * and provider artifacts; 5. takes a tombstone out of its groups; 6. records before and after; 7. as the last
 * statements, appends to the subject log and notes that a receipt is due.
 *
 * @throws NOT_FOUND when an account is not of this organisation; CONFLICT for the last local Owner
 */
export const closeAccess = async (
  tx: AuditedTx,
  { credentialVoiders, clock }: DoorDependencies,
  request: CloseRequest,
): Promise<Closed> => {
  const open = (await lockThose(tx, request.accountIds)).filter((account) => isOpenTo(account, request.by)); // 1
  if (open.length === 0) {
    tx.unchanged();
    return { orgId: tx.orgId, subjects: [], position: () => undefined };
  }
  const { by, cause, reason } = request;
  await refuseLastOwner(tx, by, open); // 2
  const why = { by, cause, ...(reason === undefined ? {} : { reason }) };
  const ids = open.map(({ id }) => id);
  const endings: Ending[] = [...open.map((account) => ({ account, ...why })), ...(await machinesOf(tx, by, ids))];
  const at = clock.now();
  const closed: Account[] = [];
  for (const { account, by: as } of endings)
    closed.push(await updateStanding(tx, account, { ...nextStanding(account, as), raiseEpoch: true, at })); // 3
  const allIds = closed.map(({ id }) => id);
  const scope = by === 'security-event' ? 'security-event' : 'account';
  const voided = await voidEverything(tx, credentialVoiders, { orgId: tx.orgId, subjectIds: allIds, scope, cause }); // 4
  if (by === 'removal') await deleteMemberships(tx, tx.orgId, ids, at); // 5
  for (const [index, ending] of endings.entries()) recordEnding(tx, ending, closed[index] ?? ending.account); // 6
  const subjects = closed.map(({ id, epoch }) => ({ subjectId: id, epoch }));
  let position: bigint | undefined;
  appendSubjectChange(tx, { cause: ACTIONS[request.by], subjectIds: allIds }, async (last, taken, receipts) => {
    position = taken;
    await insertPendingReceipt(last, {
      orgId: tx.orgId,
      position: taken,
      cause: request.cause,
      subjects,
      voided,
      requestId: tx.audit.requestId,
      auditReceipts: receipts.map(String),
    });
  }); // 7
  return { orgId: tx.orgId, subjects, position: () => position };
};

/**
 * Ends one browser session and what hangs on it. The account, its epoch and its other credentials stay.
 * Idempotent: a session that is gone leaves everything as it is.
 */
export const closeSession = async (
  tx: AuditedTx,
  { credentialVoiders }: DoorDependencies,
  request: { readonly subjectId: string; readonly sessionId: string; readonly cause: string },
): Promise<VoidedCounts> => {
  const voided = await voidEverything(tx, credentialVoiders, {
    orgId: tx.orgId,
    subjectIds: [request.subjectId],
    scope: 'session',
    sessionId: request.sessionId,
    cause: request.cause,
  });
  if (VOIDERS.every((kind) => voided[kind] === 0)) tx.unchanged();
  else
    tx.record({
      action: 'session.ended',
      target: { type: 'session', id: request.sessionId },
      after: { subjectId: request.subjectId, cause: request.cause, ...voided },
    });
  return voided;
};
