import type { IdentityContext } from '../../context.ts';
import { listGroupsById, listMembers, type Group, type Member } from '../../groups/index.ts';
import { GROUP } from '../protocol/group-schema.ts';
import { readMembersAhead } from '../protocol/members.ts';
import { isSelected } from '../protocol/selection.ts';
import { groupLayout } from '../query/index.ts';
import type { Rendered } from '../rendered.ts';
import { etagOf } from '../request.ts';
import type { ResourceType } from '../resource-type.ts';
import { renderGroup, type MemberPages } from './render.ts';
import { createScimGroup, deleteScimGroup, patchScimGroup, replaceScimGroup } from './write-group.ts';

/** Lists of members are long: 100,000 of them in one request. */
const MEMBERS_BODY_BYTES = 16 * 1024 * 1024;

/** Members in one statement and in one piece of an answer. */
const PAGE_SIZE = 1_000;

/** The pages behind a member, each read in a transaction of its own: a slow client holds none open. */
async function* pagesAfter({ db }: IdentityContext, group: Group, last: Member): AsyncGenerator<readonly Member[]> {
  for (let after: Member | undefined = last; after !== undefined;) {
    const page: readonly Member[] = await db.read(group.orgId, (tx) =>
      listMembers(tx, group, { after: after?.accountId ?? '', limit: PAGE_SIZE }),
    );
    yield page;
    after = page.length < PAGE_SIZE ? undefined : page.at(-1);
  }
}

const readMembers = async (service: IdentityContext, group: Group): Promise<MemberPages> => {
  const first = await service.db.read(group.orgId, (tx) => listMembers(tx, group, { limit: PAGE_SIZE }));
  const last = first.length < PAGE_SIZE ? undefined : first.at(-1);
  return { first, rest: last === undefined ? undefined : pagesAfter(service, group, last) };
};

/** `/scim/v2/Groups` */
export const groupType = (service: IdentityContext): ResourceType<Group> => ({
  definition: GROUP,
  layout: groupLayout,
  bodyLimitBytes: MEMBERS_BODY_BYTES,
  load: async ({ orgId, connectionId }, ids) => {
    const groups = await service.db.read(orgId, (tx) => listGroupsById(tx, orgId, ids));
    return groups.filter((group) => group.connectionId === connectionId);
  },
  render: async (_caller, groups, selection) => {
    const view = { origin: service.config.publicOrigin, selection };
    const answers: Rendered[] = [];
    for (const group of groups) {
      // Members that are not asked for are not touched (RFC 7644 §3.9; every read of Entra excludes them).
      const members = isSelected(selection, 'members') ? await readMembers(service, group) : undefined;
      answers.push(renderGroup(group, members, view));
    }
    return answers;
  },
  etag: (_caller, group) => Promise.resolve(etagOf(group.version)),
  create: async (caller, body) => {
    await readMembersAhead(body);
    return await createScimGroup(service, caller, body);
  },
  replace: async (caller, target, body) => {
    await readMembersAhead(body);
    return await replaceScimGroup(service, caller, target, body);
  },
  patch: async (caller, target, body) => {
    await readMembersAhead(body);
    return await patchScimGroup(service, caller, target, body);
  },
  remove: (caller, target) => deleteScimGroup(service, caller, target),
  // Entra wants 204; a body would also load the members a change is meant not to touch (RFC 7644 §3.5.2).
  answersPatch: (selection) => selection.kind === 'only',
});
