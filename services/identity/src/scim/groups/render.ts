import type { Group, Member } from '../../groups/index.ts';
import { GROUP } from '../protocol/group-schema.ts';
import type { Document, JsonValue } from '../protocol/json.ts';
import { select, type Selection } from '../protocol/selection.ts';
import { etagOf } from '../request.ts';

export const locationOf = (origin: string, id: string): string => `${origin}/scim/v2/Groups/${id}`;

/** The resource as it is answered; without members when they were not asked for. */
export const renderGroup = (
  group: Group,
  members: readonly Member[] | undefined,
  { origin, selection }: { readonly origin: string; readonly selection: Selection },
): Document => {
  const resource: Document = {
    schemas: [GROUP.core.id],
    id: group.id,
    ...(group.externalId === null ? {} : { externalId: group.externalId }),
    displayName: group.displayName,
    ...(members === undefined
      ? {}
      : {
          members: members.map(({ accountId, displayName }): JsonValue => ({
            value: accountId,
            $ref: `${origin}/scim/v2/Users/${accountId}`,
            display: displayName,
            type: 'User',
          })),
        }),
    meta: {
      resourceType: GROUP.name,
      created: group.createdAt.toISOString(),
      lastModified: group.updatedAt.toISOString(),
      location: locationOf(origin, group.id),
      version: etagOf(group.version),
    },
  };
  return select(GROUP, selection, resource);
};
