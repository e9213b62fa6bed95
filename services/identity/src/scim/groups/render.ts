import type { Group, Member } from '../../groups/index.ts';
import { GROUP } from '../protocol/group-schema.ts';
import { isArray, type Document, type JsonValue } from '../protocol/json.ts';
import { select, type Selection } from '../protocol/selection.ts';
import type { Rendered } from '../rendered.ts';
import { etagOf } from '../request.ts';

export const locationOf = (origin: string, id: string): string => `${origin}/scim/v2/Groups/${id}`;

/** The members of a group as they are read: those there is room for, and the others when there are more. */
export interface MemberPages {
  readonly first: readonly Member[];
  readonly rest: AsyncIterable<readonly Member[]> | undefined;
}

interface View {
  readonly origin: string;
  readonly selection: Selection;
}

const renderMembers = (members: readonly Member[], { origin, selection }: View): readonly JsonValue[] => {
  const values = members.map(({ accountId, displayName }): JsonValue => ({
    value: accountId,
    $ref: `${origin}/scim/v2/Users/${accountId}`,
    display: displayName,
    type: 'User',
  }));
  const { members: selected = [] } = select(GROUP, selection, { members: values });
  return isArray(selected) ? selected : [];
};

async function* renderPages(pages: AsyncIterable<readonly Member[]>, view: View): AsyncGenerator<readonly JsonValue[]> {
  for await (const page of pages) yield renderMembers(page, view);
}

/** The resource as it is answered; without members when they were not asked for. */
export const renderGroup = (group: Group, members: MemberPages | undefined, view: View): Rendered => {
  const etag = etagOf(group.version);
  const { origin, selection } = view;
  const resource: Document = {
    schemas: [GROUP.core.id],
    id: group.id,
    ...(group.externalId === null ? {} : { externalId: group.externalId }),
    displayName: group.displayName,
    meta: {
      resourceType: GROUP.name,
      created: group.createdAt.toISOString(),
      lastModified: group.updatedAt.toISOString(),
      location: locationOf(origin, group.id),
      version: etag,
    },
  };
  const document = select(GROUP, selection, resource);
  if (members === undefined) return { document, long: undefined, etag };
  const { first, rest } = members;
  return {
    document: { ...document, members: renderMembers(first, view) },
    long: rest === undefined ? undefined : { name: 'members', rest: renderPages(rest, view) },
    etag,
  };
};
