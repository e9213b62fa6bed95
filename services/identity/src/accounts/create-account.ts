import type { AuditContext, AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { newId, type Clock } from '@sallyport/storage';

import { appendSubjectChange } from '../subject-log/index.ts';
import { auditStanding, statusOf, type Account, type Profile } from './account.ts';
import { auditAttributes } from './audit-view.ts';
import { claimNames } from './name-store.ts';
import { namesOf, refuseHolders } from './names.ts';
import { accountClash, connectionAccepts, insertAccount } from './store.ts';

export interface CreateAccount {
  readonly kind: Account['kind'];
  /** Null for local accounts and service accounts. */
  readonly connectionId: string | null;
  readonly externalId: string | null;
  readonly userName: string;
  readonly profile: Profile;
  /** Default true: whether the directory lets the account in. */
  readonly directoryActive?: boolean;
  /** Default false: the local Owner that outlives every directory. */
  readonly breakGlass?: boolean;
}

/** @throws ALREADY_EXISTS with the attribute in its metadata when a name is taken; rethrows everything else */
export const refuseClash = (error: unknown): never => {
  const attribute = accountClash(error);
  if (attribute === undefined) throw error;
  const detail =
    attribute === 'userName'
      ? 'Another account of this organisation has this user name.'
      : 'Another account of this connection has this external id.';
  throw new AppError('ALREADY_EXISTS', detail, { metadata: { attribute }, cause: error });
};

/** Records an account that was inserted. `context`: in which request, where the transaction serves several. */
export const recordCreated = (tx: AuditedTx, account: Account, context?: AuditContext): void => {
  tx.record(
    {
      action: 'account.created',
      target: { type: 'account', id: account.id, version: account.version.toString() },
      after: {
        kind: account.kind,
        connectionId: account.connectionId,
        ...auditStanding(account),
        attributes: auditAttributes(account),
      },
    },
    context,
  );
};

/** Inserts an account whose names are claimed, records it and tells the subject log. @throws ALREADY_EXISTS */
export const createAccountRow = async (
  tx: AuditedTx,
  { clock }: { readonly clock: Pick<Clock, 'now'> },
  id: string,
  input: CreateAccount,
): Promise<Account> => {
  const switches = { directoryActive: input.directoryActive ?? true, adminHold: false, connectionHold: false };
  tx.createSubjectKeys([id]);
  const account = await insertAccount(tx, {
    orgId: tx.orgId,
    id,
    kind: input.kind,
    breakGlass: input.breakGlass ?? false,
    connectionId: input.connectionId,
    externalId: input.externalId,
    userName: input.userName,
    profile: input.profile,
    switches,
    status: statusOf(switches),
    at: clock.now(),
  }).catch(refuseClash);
  recordCreated(tx, account);
  appendSubjectChange(tx, { cause: 'account.created', subjectIds: [account.id] });
  return account;
};

/**
 * Creates an account that no directory provisions (see `provisionAccount` for those).
 *
 * @throws ALREADY_EXISTS when the user name (organisation-wide, whatever its case) or the external id is taken, or when
 *   somebody who does not come from the same connection goes by one of the names;
 *   CONNECTION_DISABLED when the connection was disabled or removed meanwhile
 */
export const createAccount = async (
  tx: AuditedTx,
  dependencies: { readonly clock: Pick<Clock, 'now'> },
  input: CreateAccount,
): Promise<Account> => {
  const { orgId } = tx;
  const { connectionId } = input;
  const accountId = newId();
  // The lock keeps a concurrent disabling from missing the account that is being made.
  if (connectionId !== null && !(await connectionAccepts(tx, orgId, connectionId)))
    throw new AppError('CONNECTION_DISABLED', 'The connection is disabled.');
  refuseHolders(await claimNames(tx, { orgId, accountId, connectionId, names: namesOf(input) }), input.userName);
  return await createAccountRow(tx, dependencies, accountId, input);
};
