import type { AuditedTx } from '@sallyport/audit';

import { awaitEffective, closeAccess, MAX_ACCOUNTS_PER_DOOR, type Closed } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { readLocalRules, writeLocalRules, type LocalRules } from '../local-login/index.ts';
import { fence, type Authorized } from '../login/index.ts';
import { listOrdinaryLocalAccounts, listOrdinaryLocalHolders } from './local-account-store.ts';

/**
 * Changes what an organisation asks of its local accounts. Switching them off is a security event of each but the
 * break-glass Owners: what they hold is void, everywhere, when this returns. That goes on where an earlier request was cut
 * off: switched off once more, whoever still holds something is closed out.
 */
export const changeLocalRules = async (
  context: IdentityContext,
  who: Authorized,
  change: { readonly [Name in keyof LocalRules]?: LocalRules[Name] | undefined },
): Promise<LocalRules> => {
  const { orgId } = who.audit;
  const first = await context.audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    const before = await readLocalRules(tx, orgId, 'changing');
    const rules: LocalRules = {
      localAccountsEnabled: change.localAccountsEnabled ?? before.localAccountsEnabled,
      secondFactorRequired: change.secondFactorRequired ?? before.secondFactorRequired,
    };
    const isSame =
      rules.localAccountsEnabled === before.localAccountsEnabled &&
      rules.secondFactorRequired === before.secondFactorRequired;
    if (!isSame) {
      await writeLocalRules(tx, orgId, rules);
      tx.record({
        action: 'organization.local-sign-in-changed',
        target: { type: 'organization', id: orgId },
        before: { ...before },
        after: { ...rules },
      });
    }
    if (change.localAccountsEnabled !== false) {
      if (isSame) tx.unchanged();
      return { rules, batch: null };
    }
    const list = before.localAccountsEnabled ? listOrdinaryLocalAccounts : listOrdinaryLocalHolders;
    return { rules, batch: await closeBatch(tx, context, list, null) };
  });
  await closeRest(context, who, first.value.batch);
  return first.value.rules;
};

type List = typeof listOrdinaryLocalAccounts;

interface Batch {
  readonly list: List;
  readonly ids: readonly string[];
  readonly closed: Closed;
}

const closeBatch = async (
  tx: AuditedTx,
  context: IdentityContext,
  list: List,
  after: string | null,
): Promise<Batch | null> => {
  const ids = await list(tx, { orgId: tx.orgId, after, limit: MAX_ACCOUNTS_PER_DOOR });
  if (ids.length === 0) {
    tx.unchanged();
    return null;
  }
  const closed = await closeAccess(tx, context, {
    accountIds: ids,
    by: 'security-event',
    cause: 'local-accounts.switched-off',
  });
  return { list, ids, closed };
};

/** In several transactions, so that no lock is held long; nobody signs in meanwhile, the rule is in force. */
const closeRest = async (context: IdentityContext, who: Authorized, first: Batch | null): Promise<void> => {
  let batch = first;
  while (batch !== null) {
    await awaitEffective(context, who.audit, batch.closed, batch.ids);
    const { list, ids } = batch;
    const after = ids.at(-1) ?? null;
    if (ids.length < MAX_ACCOUNTS_PER_DOOR) return;
    batch = (await context.audit.mutate(who.audit, async (tx) => await closeBatch(tx, context, list, after))).value;
  }
};
