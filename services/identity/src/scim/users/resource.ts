import { listAccountsById } from '../../accounts/index.ts';
import type { IdentityContext } from '../../context.ts';
import { listGroupsOf, type MembershipOf } from '../../groups/index.ts';
import { isSelected, type Selection } from '../protocol/selection.ts';
import { USER } from '../protocol/user-schema.ts';
import { userLayout } from '../query/index.ts';
import type { Rendered } from '../rendered.ts';
import type { ResourceType } from '../resource-type.ts';
import { userCreator } from './create-user.ts';
import { renderUser, userEtag, type KnownUser } from './user.ts';
import { deleteUser, isUserOf, patchUser, replaceUser } from './write-user.ts';

const selectedGroups = async (
  { db }: Pick<IdentityContext, 'db'>,
  orgId: string,
  ids: readonly string[],
  selection: Selection,
): Promise<readonly MembershipOf[]> =>
  ids.length > 0 && isSelected(selection, 'groups')
    ? await db.readOne(orgId, (tx) => listGroupsOf(tx, orgId, ids))
    : [];

/** The answers for these accounts, in their order; their groups are read only when they are selected. */
export const renderFor = async (
  service: IdentityContext,
  orgId: string,
  accounts: readonly KnownUser[],
  selection: Selection,
): Promise<readonly Rendered[]> => {
  const ids = accounts.filter(({ memberships }) => memberships === undefined).map(({ id }) => id);
  const memberships = await selectedGroups(service, orgId, ids, selection);
  const byAccount = Map.groupBy(memberships, ({ accountId }: MembershipOf) => accountId);
  const view = { origin: service.config.publicOrigin, selection };
  return accounts.map((account) => {
    const groups = byAccount.get(account.id) ?? [];
    return { document: renderUser(account, groups, view), long: undefined, etag: userEtag(account, groups) };
  });
};

/** `/scim/v2/Users` */
export const userType = (service: IdentityContext): ResourceType<KnownUser> => ({
  definition: USER,
  layout: userLayout,
  bodyLimitBytes: undefined,
  load: async (caller, ids) => {
    const accounts = await service.db.read(caller.orgId, (tx) => listAccountsById(tx, caller.orgId, ids));
    return accounts.filter((account) => isUserOf(account, caller));
  },
  render: ({ orgId }, accounts, selection) => renderFor(service, orgId, accounts, selection),
  etag: async ({ orgId }, account, selection) =>
    userEtag(account, await selectedGroups(service, orgId, [account.id], selection)),
  create: userCreator(service),
  replace: (caller, target, body) => replaceUser(service, caller, target, body),
  patch: (caller, target, body) => patchUser(service, caller, target, body),
  remove: (caller, target) => deleteUser(service, caller, target),
  answersPatch: () => true,
});
