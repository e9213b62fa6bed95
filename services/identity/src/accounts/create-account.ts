import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { newId, type Clock } from '@sallyport/storage';

import { appendSubjectChange } from '../subject-log/index.ts';
import { auditStanding, statusOf, type Account, type Profile } from './account.ts';
import { auditAttributes } from './audit-view.ts';
import { accountClash, connectionAccepts, findTombstone, insertAccount } from './store.ts';

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

/**
 * Creates an account and tells the subject log. Somebody who was removed and comes back under the same external id is
 * a new account; the entry names the old one.
 *
 * @throws ALREADY_EXISTS when the user name (organisation-wide, whatever its case) or the external id is taken;
 *   CONNECTION_DISABLED when the connection was disabled or removed meanwhile
 */
export const createAccount = async (
  tx: AuditedTx,
  { clock }: { readonly clock: Pick<Clock, 'now'> },
  input: CreateAccount,
): Promise<Account> => {
  const { orgId } = tx;
  const { connectionId, externalId } = input;
  // The lock keeps a concurrent disabling from missing the account that is being made.
  if (connectionId !== null && !(await connectionAccepts(tx, orgId, connectionId)))
    throw new AppError('CONNECTION_DISABLED', 'The connection is disabled.');
  const switches = { directoryActive: input.directoryActive ?? true, adminHold: false, connectionHold: false };
  const account = await insertAccount(tx, {
    orgId,
    id: newId(),
    kind: input.kind,
    breakGlass: input.breakGlass ?? false,
    connectionId,
    externalId,
    userName: input.userName,
    profile: input.profile,
    switches,
    status: statusOf(switches),
    at: clock.now(),
  }).catch(refuseClash);
  const previous =
    connectionId === null || externalId === null
      ? undefined
      : await findTombstone(tx, { orgId, connectionId, externalId });
  tx.record({
    action: 'account.created',
    target: { type: 'account', id: account.id, version: account.version.toString() },
    after: {
      kind: account.kind,
      connectionId,
      ...auditStanding(account),
      ...(previous === undefined ? {} : { previousSubjectId: previous }),
      attributes: auditAttributes(account),
    },
  });
  appendSubjectChange(tx, { cause: 'account.created', subjectIds: [account.id] });
  return account;
};
