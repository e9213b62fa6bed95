import type { AuditedTx } from '@sallyport/audit';
import type { Clock } from '@sallyport/storage';

import { createAccount, foldCase, wasNameOfRemovedAnywhere } from '../accounts/index.ts';
import { singleValue, type AccountRefusal, type ExternalLogin } from './external-login.ts';
import {
  findLinkedAccount,
  findLoginConnection,
  findLoginStanding,
  insertLink,
  isNameInUse,
  listAccountsNamed,
  listConnectionDomains,
  takeTurn,
} from './identity-store.ts';
import { newcomerOf } from './newcomer.ts';

export type Resolution =
  | { readonly ok: true; readonly accountId: string }
  | { readonly ok: false; readonly reason: AccountRefusal };

const refused = (reason: AccountRefusal): Resolution => ({ ok: false, reason });

/**
 * Finds the account an external login is for, within the caller's transaction.
 *
 * 1. The connection is enabled. 2. With a directory (SCIM) on, the account is the one it provisioned under the
 * configured identifier; nobody is ever created or revived. 3. Without one, the account is the one that was created at
 * the subject's first login; a first login creates it only where the connection says so, for an address of its own
 * proven domains that nobody else goes by. 4. The account is active, and what the IdP issued is newer than its epoch.
 *
 * A name or address alone never finds anybody of another connection, and never adopts an account (nOAuth).
 */
export const resolveAccount = async (
  tx: AuditedTx,
  dependencies: { readonly clock: Clock },
  login: ExternalLogin,
): Promise<Resolution> => {
  const connection = await findLoginConnection(tx, login.connectionId);
  if (connection === null || !connection.enabled) return refused('CONNECTION_DISABLED'); // 1
  const found = connection.hasDirectory // 2, 3
    ? await provisionedAccount(tx, login)
    : await linkedAccount(tx, dependencies, login);
  return found.ok ? await standing(tx, login, found.accountId) : found; // 4
};

const provisionedAccount = async (tx: AuditedTx, login: ExternalLogin): Promise<Resolution> => {
  const { source, targets } = login.rule;
  const value = source === 'subject' ? login.subject : singleValue(login, source.attribute);
  if (value === null) return refused('IDENTIFIER_MISSING');
  const { orgId, connectionId } = login;
  const [accountId, ...more] = await listAccountsNamed(tx, { orgId, connectionId, targets, value });
  // One value that is the external id of one person and the user name of another names nobody.
  if (more.length > 0) return refused('ACCOUNT_AMBIGUOUS');
  return accountId === undefined ? refused('ACCOUNT_UNKNOWN') : { ok: true, accountId };
};

const linkedAccount = async (
  tx: AuditedTx,
  dependencies: { readonly clock: Clock },
  login: ExternalLogin,
): Promise<Resolution> => {
  const { orgId, connectionId, subjectKey } = login;
  const find = async (): Promise<string | null> => await findLinkedAccount(tx, { orgId, connectionId, subjectKey });
  const known = await find();
  if (known !== null) return { ok: true, accountId: known };
  if (!login.rule.createOnFirstLogin) return refused('ACCOUNT_UNKNOWN');
  // Of somebody who signs in for the first time in two windows, the second is the same person.
  await takeTurn(tx, { of: 'first-login', orgId, connectionId, key: subjectKey });
  const linked = await find();
  if (linked !== null) return { ok: true, accountId: linked };
  const newcomer = newcomerOf(login);
  if (newcomer === null) return refused('IDENTIFIER_MISSING');
  const { email, domain, displayName } = newcomer;
  // A claim alone makes nobody: whoever lists a domain could make people of somebody else's company.
  const domains = await listConnectionDomains(tx, orgId, connectionId);
  if (!domains.some((each) => each.domain === domain && each.verifiedAt !== null))
    return refused('DOMAIN_NOT_OF_CONNECTION');
  if (await isNameInUse(tx, orgId, foldCase(email))) return refused('NAME_TAKEN');
  // Whom a directory removed, only a directory brings back.
  if (await wasNameOfRemovedAnywhere(tx, { orgId, name: email })) return refused('ACCOUNT_INACTIVE');
  const account = await createAccount(tx, dependencies, {
    kind: 'user',
    connectionId,
    externalId: null,
    userName: email,
    profile: { emails: [{ value: email, primary: true }], ...(displayName === null ? {} : { displayName }) },
  });
  await insertLink(tx, { orgId, connectionId, subjectKey, accountId: account.id, at: dependencies.clock.now() });
  return { ok: true, accountId: account.id };
};

const standing = async (tx: AuditedTx, login: ExternalLogin, accountId: string): Promise<Resolution> => {
  const account = await findLoginStanding(tx, login.orgId, accountId);
  if (account?.status !== 'active') return refused('ACCOUNT_INACTIVE');
  const { epochRaisedAt } = account;
  return epochRaisedAt !== null && login.issuedAt < epochRaisedAt
    ? refused('LOGIN_OLDER_THAN_DEACTIVATION')
    : { ok: true, accountId };
};
