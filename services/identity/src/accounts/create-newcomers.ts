import type { AuditContext, AuditedTx } from '@sallyport/audit';
import { newId, type Clock } from '@sallyport/storage';

import { appendArrivals, type Arrival } from '../subject-log/index.ts';
import type { Account } from './account.ts';
import { recordCreated } from './create-account.ts';
import { foldCase } from './fold-case.ts';
import { insertNewcomers } from './newcomer-store.ts';
import type { ProvisionAccount } from './provision-account.ts';

/** Somebody a directory announces, and the request in which it does. */
export interface Newcomer {
  readonly person: Omit<ProvisionAccount, 'connectionId'>;
  readonly audit: AuditContext;
}

/** Those who share no user name and no identifier with an earlier one of the list. */
const firstOfTheirName = (newcomers: readonly Newcomer[]): Newcomer[] => {
  const seen = new Set<string>();
  return newcomers.filter(({ person: { userName, externalId } }) => {
    const keys = [`name ${foldCase(userName)}`, ...(externalId === null ? [] : [`id ${externalId}`])];
    const isFirst = !keys.some((key) => seen.has(key));
    for (const key of keys) seen.add(key);
    return isFirst;
  });
};

/**
 * Creates accounts for those of a list who are simply new: nobody here answers to any of their names or identifiers,
 * and nobody who did was removed. Undefined for all the others, of whom nothing is written: what they come to is for
 * `provisionAccount` to say. One entry in the audit log and one in the subject log for each account, each of the request
 * it came in.
 *
 * @throws CONNECTION_DISABLED; a unique violation when somebody came in between by another way
 */
export const createNewcomers = async (
  tx: AuditedTx,
  { clock }: { readonly clock: Pick<Clock, 'now'> },
  connectionId: string,
  newcomers: readonly Newcomer[],
): Promise<(Account | undefined)[]> => {
  const { orgId } = tx;
  const ids = new Map(firstOfTheirName(newcomers).map((newcomer) => [newcomer, newId()]));
  const people = [...ids].map(([{ person }, id]) => ({ ...person, id }));
  const made = new Map(
    (await insertNewcomers(tx, { orgId, connectionId, at: clock.now() }, people)).map((each) => [each.id, each]),
  );
  if (made.size === 0) tx.unchanged();
  else tx.createSubjectKeys([...made.keys()]);
  const arrivals: Arrival[] = [];
  const answers = newcomers.map((newcomer) => {
    const account = made.get(ids.get(newcomer) ?? '');
    if (account === undefined) return undefined;
    recordCreated(tx, account, newcomer.audit);
    arrivals.push({ subjectId: account.id, requestId: newcomer.audit.requestId });
    return account;
  });
  if (arrivals.length > 0) appendArrivals(tx, 'account.created', arrivals);
  return answers;
};
