import { AppError } from '@sallyport/errors';
import type { WriteTx } from '@sallyport/storage';

import { emailsOf, type Account, type Profile } from './account.ts';
import { foldCase } from './fold-case.ts';
import { claimNames, type NameHolder } from './name-store.ts';

interface Named {
  readonly userName: string;
  readonly profile: Profile;
}

/** Everything somebody can be taken for: the user name and every address, folded. */
export const namesOf = ({ userName, profile }: Named): string[] => [
  ...new Set([userName, ...emailsOf(profile)].map(foldCase)),
];

/** The domain of a folded address; undefined when it is none. */
export const domainOf = (name: string): string | undefined => {
  const at = name.lastIndexOf('@');
  return at > 0 && at < name.length - 1 ? name.slice(at + 1) : undefined;
};

/** @throws ALREADY_EXISTS when somebody of another connection, or of none, goes by one of these names */
export const refuseHolders = (holders: readonly NameHolder[], userName: string): void => {
  const [holder] = holders;
  if (holder === undefined) return;
  const attribute = holder.name === foldCase(userName) ? 'userName' : 'emails';
  throw new AppError(
    'ALREADY_EXISTS',
    `Another account of this organisation, which does not come from this connection, goes by this ${
      attribute === 'userName' ? 'user name' : 'address'
    }. Accounts are never taken over.`,
    { metadata: { attribute } },
  );
};

/**
 * Claims the names an account is about to get beyond those it has.
 *
 * @throws ALREADY_EXISTS as {@link refuseHolders}
 */
export const claimNewNames = async (tx: WriteTx, account: Account, next: Named): Promise<void> => {
  const known = new Set(namesOf(account));
  const names = namesOf(next).filter((name) => !known.has(name));
  if (names.length === 0) return;
  const { orgId, id: accountId, connectionId } = account;
  refuseHolders(await claimNames(tx, { orgId, accountId, connectionId, names }), next.userName);
};
