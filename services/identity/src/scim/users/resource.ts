import { listAccountsById, type Account } from '../../accounts/index.ts';
import type { IdentityContext } from '../../context.ts';
import { listGroupsOf, type MembershipOf } from '../../groups/index.ts';
import { isSelected, type Selection } from '../protocol/selection.ts';
import { USER } from '../protocol/user-schema.ts';
import { userLayout } from '../query/index.ts';
import { rendered, type Rendered } from '../rendered.ts';
import type { ResourceType } from '../resource-type.ts';
import { createUser } from './create-user.ts';
import { renderUser } from './user.ts';
import { deleteUser, isUserOf, patchUser, replaceUser } from './write-user.ts';

/** The answers for these accounts, in their order; their groups are read only when they are selected. */
export const renderFor = async (
  { db, config }: IdentityContext,
  orgId: string,
  accounts: readonly Account[],
  selection: Selection,
): Promise<readonly Rendered[]> => {
  const ids = accounts.map(({ id }) => id);
  const memberships =
    ids.length > 0 && isSelected(selection, 'groups')
      ? await db.readOne(orgId, (tx) => listGroupsOf(tx, orgId, ids))
      : [];
  const byAccount = Map.groupBy(memberships, ({ accountId }: MembershipOf) => accountId);
  const view = { origin: config.publicOrigin, selection };
  return accounts.map((account) => rendered(renderUser(account, byAccount.get(account.id) ?? [], view)));
};

/** `/scim/v2/Users` */
export const userType = (service: IdentityContext): ResourceType<Account> => ({
  definition: USER,
  layout: userLayout,
  bodyLimitBytes: undefined,
  load: async (caller, ids) => {
    const accounts = await service.db.read(caller.orgId, (tx) => listAccountsById(tx, caller.orgId, ids));
    return accounts.filter((account) => isUserOf(account, caller));
  },
  render: ({ orgId }, accounts, selection) => renderFor(service, orgId, accounts, selection),
  create: (caller, body) => createUser(service, caller, body),
  replace: (caller, target, body) => replaceUser(service, caller, target, body),
  patch: (caller, target, body) => patchUser(service, caller, target, body),
  remove: (caller, target) => deleteUser(service, caller, target),
  answersPatch: () => true,
});
