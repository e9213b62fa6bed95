import type { AuditContext, AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { newId, type Clock } from '@sallyport/storage';

import { appendArrivals, type Arrival } from '../subject-log/index.ts';
import { statusOf, type Account } from './account.ts';
import { recordCreated } from './create-account.ts';
import { foldCase } from './fold-case.ts';
import { claimNames } from './name-store.ts';
import { namesOf } from './names.ts';
import { findKnown, insertAccounts } from './newcomer-store.ts';
import type { ProvisionAccount } from './provision-account.ts';
import { connectionAccepts } from './store.ts';

/** Somebody a directory announces, and the request in which it does. */
export interface Newcomer {
  readonly person: Omit<ProvisionAccount, 'connectionId'>;
  readonly audit: AuditContext;
}

/** Nobody: its id is no account's. */
const NOBODY = '00000000-0000-0000-0000-000000000000';

/** The places of those who share a user name or an identifier with an earlier one of the list. */
const repeated = (newcomers: readonly Newcomer[]): Set<number> => {
  const seen = new Set<string>();
  const places = new Set<number>();
  for (const [place, { person }] of newcomers.entries()) {
    const keys = [`n${foldCase(person.userName)}`, ...(person.externalId === null ? [] : [`x${person.externalId}`])];
    if (keys.some((key) => seen.has(key))) places.add(place);
    for (const key of keys) seen.add(key);
  }
  return places;
};

/**
 * Creates accounts for those of a list who are simply new: nobody here answers to any of their names or identifiers,
 * and nobody who did was removed. Undefined for all the others, of whom nothing is written: what they come to is for
 * `provisionAccount` to say. One entry in the audit log and one in the subject log for each account.
 *
 * @throws CONNECTION_DISABLED; a unique violation when somebody was created meanwhile by another way
 */
export const createNewcomers = async (
  tx: AuditedTx,
  { clock }: { readonly clock: Pick<Clock, 'now'> },
  connectionId: string,
  newcomers: readonly Newcomer[],
): Promise<(Account | undefined)[]> => {
  const { orgId } = tx;
  const names = newcomers.map(({ person }) => namesOf(person));
  const [accepts, holders, known] = await Promise.all([
    connectionAccepts(tx, orgId, connectionId),
    // Of what is claimed for nobody, everybody of another connection is a holder.
    claimNames(tx, { orgId, accountId: NOBODY, connectionId, names: [...new Set(names.flat())] }),
    findKnown(
      tx,
      { orgId, connectionId },
      newcomers.map(({ person }) => person),
    ),
  ]);
  if (!accepts) throw new AppError('CONNECTION_DISABLED', 'The connection is disabled.');
  const taken = new Set(holders.map(({ name }) => name));
  const again = repeated(newcomers);
  const isNew = newcomers.map(
    ({ person }, place) =>
      !known.has(person) && !again.has(place) && names[place]?.some((name) => taken.has(name)) === false,
  );
  const at = clock.now();
  const ids = newcomers.map(() => newId());
  const accounts = newcomers.flatMap(({ person }, place) => {
    const switches = { directoryActive: person.directoryActive, adminHold: false, connectionHold: false };
    const status = statusOf(switches);
    const account = { ...person, orgId, id: ids[place] ?? newId(), connectionId, switches, status, at };
    return isNew[place] === true ? [{ ...account, kind: 'user' as const, breakGlass: false }] : [];
  });
  if (accounts.length === 0) {
    tx.unchanged();
    return newcomers.map(() => undefined);
  }
  tx.foresee(accounts.map(({ id }) => id));
  const made = new Map((await insertAccounts(tx, { orgId, connectionId, at }, accounts)).map((one) => [one.id, one]));
  const answers = newcomers.map((_, place) => made.get(ids[place] ?? ''));
  const arrivals: Arrival[] = [];
  for (const [place, { audit }] of newcomers.entries()) {
    const account = answers[place];
    if (account === undefined) continue;
    recordCreated(tx, account, audit);
    arrivals.push({ subjectId: account.id, requestId: audit.requestId });
  }
  appendArrivals(tx, 'account.created', arrivals);
  return answers;
};
