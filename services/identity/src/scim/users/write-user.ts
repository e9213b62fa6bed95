import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { isId } from '@sallyport/storage';

import {
  awaitEffective,
  closeAccess,
  findAccount,
  lockAccounts,
  openAccess,
  updateAccount,
  type Account,
  type Closed,
} from '../../accounts/index.ts';
import type { IdentityContext } from '../../context.ts';
import type { ScimCaller } from '../caller.ts';
import { DIALECTS } from '../profiles/index.ts';
import { applyPatchInTurns } from '../protocol/apply-patch.ts';
import { sameJson, type JsonValue } from '../protocol/json.ts';
import { normalisePatch } from '../protocol/normalise-patch.ts';
import { readReplacement, requireImmutable } from '../protocol/resource.ts';
import { USER } from '../protocol/user-schema.ts';
import { requireVersion } from '../request.ts';
import { toContent, toDocument, type UserContent } from './user.ts';

/** One user of the caller's connection, as a request names it. */
export interface UserTarget {
  readonly id: string;
  /** The `If-Match` header; empty when there is none. */
  readonly ifMatch: string;
}

const notFound = (): AppError => new AppError('NOT_FOUND', 'There is no such user.');

/** Living users of the caller's connection are all it can see. */
export const isUserOf = (account: Account, { connectionId }: ScimCaller): boolean =>
  account.connectionId === connectionId && account.kind === 'user' && account.status !== 'deleted';

/** @throws NOT_FOUND for everybody who is not a living user of this connection */
export const requireUser = (account: Account | undefined, caller: ScimCaller): Account => {
  if (account === undefined || !isUserOf(account, caller)) throw notFound();
  return account;
};

const lockUser = async (tx: AuditedTx, caller: ScimCaller, target: UserTarget): Promise<Account> => {
  if (!isId(target.id)) throw notFound();
  const [locked] = await lockAccounts(tx, caller.orgId, [target.id]);
  const account = requireUser(locked, caller);
  requireVersion(target.ifMatch, account.version);
  return account;
};

const differs = (account: Account, content: UserContent): boolean =>
  content.userName !== account.userName ||
  content.externalId !== account.externalId ||
  !sameJson(content.profile as JsonValue, account.profile as JsonValue);

/** The state that was asked for is the state that is there. @throws INTERNAL otherwise: nothing is committed */
export const verifyUser = (after: Account, content: UserContent): void => {
  if (differs(after, content) || (content.active !== undefined && after.directoryActive !== content.active))
    throw new AppError('INTERNAL', 'A change of a user did not take effect.');
};

interface Saved {
  readonly account: Account;
  readonly closed: Closed | undefined;
}

/** Brings a locked account to a content; what stays as it is leaves version, audit log and subject log alone. */
const save = async (
  tx: AuditedTx,
  service: IdentityContext,
  account: Account,
  content: UserContent,
): Promise<Saved> => {
  if (differs(account, content)) await updateAccount(tx, service, account, content);
  else tx.unchanged();
  let closed: Closed | undefined;
  const ids = { accountIds: [account.id], by: 'directory' } as const;
  if (content.active === false) closed = await closeAccess(tx, service, { ...ids, cause: 'scim.deactivated' });
  else if (content.active === true) await openAccess(tx, service, { ...ids, cause: 'scim.reactivated' });
  const after = await findAccount(tx, account.orgId, account.id);
  if (after === undefined) throw notFound();
  verifyUser(after, content);
  return { account: after, closed };
};

const settle = async (service: IdentityContext, caller: ScimCaller, saved: Saved): Promise<Account> => {
  if (saved.closed !== undefined) await awaitEffective(service, caller.audit, saved.closed, [saved.account.id]);
  return saved.account;
};

/**
 * PUT /Users/{id}: attributes that are left out are cleared, except `active`, which stays as it is.
 *
 * Answers a deactivation when it is in force everywhere.
 * @throws NOT_FOUND, PRECONDITION_FAILED, ALREADY_EXISTS, INVALID_SYNTAX, INVALID_VALUE, MUTABILITY
 * @see RFC 7644 §3.5.1
 */
export const replaceUser = async (
  service: IdentityContext,
  caller: ScimCaller,
  target: UserTarget,
  body: unknown,
): Promise<Account> => {
  const { document } = readReplacement(USER, body, DIALECTS[caller.profile]);
  const { value } = await service.audit.mutate(caller.audit, async (tx) => {
    const account = await lockUser(tx, caller, target);
    requireImmutable(USER, toDocument(account), document);
    return await save(tx, service, account, toContent(document));
  });
  return await settle(service, caller, value);
};

/**
 * PATCH /Users/{id}: all operations or none. Answers a deactivation when it is in force everywhere.
 *
 * @throws what {@link normalisePatch} and {@link applyPatchInTurns} throw; NOT_FOUND, PRECONDITION_FAILED, ALREADY_EXISTS
 * @see RFC 7644 §3.5.2
 */
export const patchUser = async (
  service: IdentityContext,
  caller: ScimCaller,
  target: UserTarget,
  body: unknown,
): Promise<Account> => {
  const steps = normalisePatch(USER, body, DIALECTS[caller.profile]).filter((step) => step.kind !== 'members');
  const { value } = await service.audit.mutate(caller.audit, async (tx) => {
    const account = await lockUser(tx, caller, target);
    const document = await applyPatchInTurns(USER, toDocument(account), steps);
    return await save(tx, service, account, toContent(document));
  });
  return await settle(service, caller, value);
};

/**
 * DELETE /Users/{id}: access ends, a tombstone stays. Answers when it is in force everywhere.
 *
 * @throws NOT_FOUND, PRECONDITION_FAILED
 * @see RFC 7644 §3.6
 */
export const deleteUser = async (service: IdentityContext, caller: ScimCaller, target: UserTarget): Promise<void> => {
  const { value: closed } = await service.audit.mutate(caller.audit, async (tx) => {
    const account = await lockUser(tx, caller, target);
    return await closeAccess(tx, service, { accountIds: [account.id], by: 'removal', cause: 'scim.deleted' });
  });
  await awaitEffective(service, caller.audit, closed, [target.id]);
};
