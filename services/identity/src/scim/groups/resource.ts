import type { IdentityContext } from '../../context.ts';
import { listGroupsById, listMembers, type Group } from '../../groups/index.ts';
import { GROUP } from '../protocol/group-schema.ts';
import type { Document } from '../protocol/json.ts';
import { MAX_GROUP_MEMBERS } from '../protocol/members.ts';
import { isSelected } from '../protocol/selection.ts';
import { groupLayout } from '../query/index.ts';
import type { ResourceType } from '../resource-type.ts';
import { renderGroup } from './render.ts';
import { createScimGroup, deleteScimGroup, patchScimGroup, replaceScimGroup } from './write-group.ts';

/** Lists of members are long: 100,000 of them in one request. */
const MEMBERS_BODY_BYTES = 16 * 1024 * 1024;

/** `/scim/v2/Groups` */
export const groupType = (service: IdentityContext): ResourceType<Group> => ({
  definition: GROUP,
  layout: groupLayout,
  bodyLimitBytes: MEMBERS_BODY_BYTES,
  load: async ({ orgId, connectionId }, ids) => {
    const groups = await service.db.read(orgId, (tx) => listGroupsById(tx, orgId, ids));
    return groups.filter((group) => group.connectionId === connectionId);
  },
  render: async ({ orgId }, groups, selection) => {
    const view = { origin: service.config.publicOrigin, selection };
    const documents: Document[] = [];
    for (const group of groups) {
      // Members that are not asked for are not touched (RFC 7644 §3.9; every read of Entra excludes them).
      const members = isSelected(selection, 'members')
        ? await service.db.read(orgId, (tx) => listMembers(tx, group, { limit: MAX_GROUP_MEMBERS }))
        : undefined;
      documents.push(renderGroup(group, members, view));
    }
    return documents;
  },
  create: (caller, body) => createScimGroup(service, caller, body),
  replace: (caller, target, body) => replaceScimGroup(service, caller, target, body),
  patch: (caller, target, body) => patchScimGroup(service, caller, target, body),
  remove: (caller, target) => deleteScimGroup(service, caller, target),
  // Entra wants 204; a body would also load the members a change is meant not to touch (RFC 7644 §3.5.2).
  answersPatch: (selection) => selection.kind === 'only',
});
