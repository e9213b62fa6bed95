import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { newId, type Clock } from '@sallyport/storage';

import { appendSubjectChange } from '../subject-log/index.ts';
import { auditStanding, statusOf, type Account, type Profile } from './account.ts';
import { auditAttributeChange } from './audit-view.ts';
import { createAccountRow, refuseClash } from './create-account.ts';
import {
  claimNames,
  findTombstone,
  hasCredential,
  listVerifiedDomains,
  updateConnectionOf,
  type NameHolder,
} from './name-store.ts';
import { domainOf, namesOf, refuseHolders } from './names.ts';
import { connectionAccepts, findAccount, lockAccounts, updateAttributes, updateStanding } from './store.ts';

/** Somebody as a directory announces them. */
export interface ProvisionAccount {
  readonly connectionId: string;
  readonly externalId: string | null;
  readonly userName: string;
  readonly profile: Profile;
  readonly directoryActive: boolean;
}

interface Dependencies {
  readonly clock: Pick<Clock, 'now'>;
}

/** Attributes first: the names it had may be somebody else's by now, the ones it gets are checked by the index. */
const write = async (
  tx: AuditedTx,
  { clock }: Dependencies,
  account: Account,
  input: ProvisionAccount,
): Promise<Account> => {
  const at = clock.now();
  const { userName, externalId, profile } = input;
  // An administrator's hold outlives removal and revival: only an administrator takes it back.
  const switches = {
    directoryActive: input.directoryActive,
    adminHold: account.adminHold,
    connectionHold: false,
  };
  const standing = { ...switches, status: statusOf(switches), raiseEpoch: true, at };
  const named = await updateAttributes(tx, account, { userName, externalId, profile, at }).catch(refuseClash);
  return await updateStanding(tx, named, standing).catch(refuseClash);
};

const record = (tx: AuditedTx, action: string, before: Account, after: Account): void => {
  const attributes = auditAttributeChange(before, after);
  tx.record({
    action,
    target: { type: 'account', id: after.id, version: after.version.toString() },
    before: { connectionId: before.connectionId, ...auditStanding(before), attributes: attributes.before },
    after: { connectionId: after.connectionId, ...auditStanding(after), attributes: attributes.after },
  });
  appendSubjectChange(tx, { cause: action, subjectIds: [after.id] });
};

/**
 * True for an account that belongs to nobody: of no connection, a person, not the break-glass Owner, in existence, and
 * with nothing by which anybody could be it (password, known sign-in, session, token).
 */
const isOfNobody = async (tx: AuditedTx, account: Account): Promise<boolean> =>
  account.connectionId === null &&
  account.kind === 'user' &&
  !account.breakGlass &&
  account.status !== 'deleted' &&
  !(await hasCredential(tx, account.orgId, account.id));

/** The account of nobody that every one of these names leads to, each of them in a proven domain; locked. */
const findLinkable = async (
  tx: AuditedTx,
  { connectionId }: ProvisionAccount,
  holders: readonly NameHolder[],
): Promise<Account | undefined> => {
  const [accountId, ...others] = new Set(holders.map((holder) => holder.accountId));
  if (accountId === undefined || others.length > 0) return undefined;
  const domains = holders.map(({ name }) => domainOf(name));
  if (!domains.every((domain) => domain !== undefined)) return undefined;
  const verified = await listVerifiedDomains(tx, { orgId: tx.orgId, connectionId, domains });
  if (!domains.every((domain) => verified.has(domain))) return undefined;
  const [account] = await lockAccounts(tx, tx.orgId, [accountId]);
  return account !== undefined && (await isOfNobody(tx, account)) ? account : undefined;
};

const link = async (
  tx: AuditedTx,
  dependencies: Dependencies,
  account: Account,
  input: ProvisionAccount,
): Promise<Account> => {
  await updateConnectionOf(tx, account, input.connectionId);
  const linked = await findAccount(tx, tx.orgId, account.id);
  if (linked === undefined) throw new AppError('NOT_FOUND', 'There is no such account.');
  const after = await write(tx, dependencies, linked, input);
  record(tx, 'account.linked', account, after);
  return after;
};

const revive = async (
  tx: AuditedTx,
  dependencies: Dependencies,
  tombstone: Account,
  input: ProvisionAccount,
): Promise<Account> => {
  const after = await write(tx, dependencies, tombstone, input);
  record(tx, 'account.revived', tombstone, after);
  return after;
};

/** The tombstone this person left in this directory, locked. */
const lockTombstone = async (tx: AuditedTx, id: string): Promise<Account | undefined> => {
  const [locked] = await lockAccounts(tx, tx.orgId, [id]);
  return locked?.status === 'deleted' ? locked : undefined;
};

/**
 * What a directory's "create" comes to, in this order:
 *
 * 1. The connection is enabled, and stays so to the end. 2. Somebody who was removed from this very directory gets the
 * same account back: same id, new epoch, nothing of what it held. 3. A name of somebody who does not come from this
 * connection is refused, except that 4. an account of nobody is linked when every name that leads to it is an address
 * in a domain proven to be the connection's. 5. Otherwise a new account.
 *
 * An account that exists, active or not, is never changed by it: that is ALREADY_EXISTS, so a request that is delayed
 * or sent twice re-enables nobody.
 *
 * @throws ALREADY_EXISTS with the attribute in its metadata; CONNECTION_DISABLED
 * @see docs/adr/0012-a-tombstone-keeps-the-id.md
 */
export const provisionAccount = async (
  tx: AuditedTx,
  dependencies: Dependencies,
  input: ProvisionAccount,
): Promise<Account> => {
  const { orgId } = tx;
  const { connectionId } = input;
  const [accepts, tombstoneId] = await Promise.all([
    connectionAccepts(tx, orgId, connectionId),
    findTombstone(tx, { orgId, ...input }),
  ]);
  if (!accepts) throw new AppError('CONNECTION_DISABLED', 'The connection is disabled.'); // 1
  // Accounts are locked before names are claimed, here and wherever names change.
  const tombstone = tombstoneId === undefined ? undefined : await lockTombstone(tx, tombstoneId);
  const accountId = tombstone?.id ?? newId();
  const holders = await claimNames(tx, { orgId, accountId, connectionId, names: namesOf(input) });
  if (tombstone === undefined && holders.length > 0) {
    const linkable = await findLinkable(tx, input, holders);
    if (linkable !== undefined) return await link(tx, dependencies, linkable, input); // 4
  }
  refuseHolders(holders, input.userName); // 3
  if (tombstone !== undefined) return await revive(tx, dependencies, tombstone, input); // 2
  return await createAccountRow(tx, dependencies, accountId, { kind: 'user', ...input }); // 5
};
