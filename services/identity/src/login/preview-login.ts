import type { AuditContext } from '@sallyport/audit';

import { findAccount } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { isWithMoreFactors, raceReason } from './complete-login.ts';
import { singleValue, valuesOf, type AccountRefusal, type ExternalLogin } from './external-login.ts';
import { pretendEnabled } from './identity-store.ts';
import { resolveAccount } from './resolve-account.ts';
import type { LoginTrace, MappedAttributes } from './trace.ts';

/** Carries what was found out of a transaction that must not be committed. */
class RolledBack extends Error {
  readonly found: Preview;

  constructor(found: Preview) {
    super('a preview changes nothing');
    this.name = 'RolledBack';
    this.found = found;
  }
}

export interface Preview {
  readonly refusal: AccountRefusal | null;
  readonly account: LoginTrace['account'];
}

/**
 * Whom a login would sign in: the very rule of a real one, in a transaction that is always rolled back, so nobody is
 * created, linked or signed in. A disabled connection is judged as if it were enabled.
 */
export const previewLogin = async (
  context: IdentityContext,
  login: ExternalLogin,
  audit: AuditContext,
): Promise<Preview> => {
  const since = context.clock.now();
  try {
    await context.audit.mutate(audit, async (tx) => {
      await pretendEnabled(tx, login.orgId, login.connectionId);
      const resolution = await resolveAccount(tx, context, login);
      if (!resolution.ok) throw new RolledBack({ refusal: resolution.reason, account: null });
      const account = await findAccount(tx, login.orgId, resolution.accountId);
      if (account === undefined) throw new RolledBack({ refusal: 'ACCOUNT_UNKNOWN', account: null });
      const isNew = account.createdAt >= since;
      const { userName } = account;
      throw new RolledBack({ refusal: null, account: { id: isNew ? null : account.id, userName, isNew } });
    });
  } catch (error) {
    if (error instanceof RolledBack) return error.found;
    const refusal = raceReason(error);
    if (refusal === null) throw error;
    return { refusal, account: null };
  }
  return { refusal: 'ACCOUNT_UNKNOWN', account: null };
};

/** What the rule of a connection makes of what an identity provider says. */
export const mappedBy = (login: ExternalLogin): MappedAttributes => {
  const { source, emailAttribute, displayNameAttribute, groupsAttribute } = login.rule;
  return {
    identifier: source === 'subject' ? login.subject : singleValue(login, source.attribute),
    email: singleValue(login, emailAttribute),
    displayName: singleValue(login, displayNameAttribute),
    groups: groupsAttribute === null ? [] : valuesOf(login, groupsAttribute),
    multiFactor: isWithMoreFactors(login),
  };
};
