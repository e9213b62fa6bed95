import { createHash } from 'node:crypto';

import type { Account, Profile } from '../../accounts/index.ts';
import type { MembershipOf } from '../../groups/index.ts';
import type { Document, JsonValue } from '../protocol/json.ts';
import { select, type Selection } from '../protocol/selection.ts';
import { USER } from '../protocol/user-schema.ts';
import { etagOf } from '../request.ts';

/** What a document says about an account, apart by where it is kept. */
export interface UserContent {
  readonly userName: string;
  readonly externalId: string | null;
  readonly profile: Profile;
  /** Undefined: the document says nothing. */
  readonly active: boolean | undefined;
}

/** An account, and its groups where they need not be read: nobody who has just come into being is in one. */
export interface KnownUser extends Account {
  readonly memberships?: readonly MembershipOf[];
}

const OWN_COLUMNS = new Set(['userName', 'externalId', 'active']);

/** The account as the document PATCH works on: what a client may write, `active` as the directory's own switch. */
export const toDocument = (account: Account): Document => ({
  ...(account.profile as Document),
  userName: account.userName,
  ...(account.externalId === null ? {} : { externalId: account.externalId }),
  active: account.directoryActive,
});

const textAt = (document: Document, name: string): string | null => {
  const value = document[name];
  return typeof value === 'string' ? value : null;
};

export const toContent = (document: Document): UserContent => ({
  userName: textAt(document, 'userName') ?? '',
  externalId: textAt(document, 'externalId'),
  profile: Object.fromEntries(Object.entries(document).filter(([key]) => !OWN_COLUMNS.has(key))),
  active: typeof document['active'] === 'boolean' ? document['active'] : undefined,
});

export const locationOf = (origin: string, id: string): string => `${origin}/scim/v2/Users/${id}`;

const DIGEST_LENGTH = 12;

/**
 * The ETag of a user with these groups (none when they are not selected). Groups change without the account, so its
 * version alone would let a client keep the groups of yesterday. Filters find the same: `query/user-layout.ts`.
 */
export const userEtag = ({ version }: Pick<Account, 'version'>, memberships: readonly MembershipOf[]): string => {
  if (memberships.length === 0) return etagOf(version);
  const groups = memberships.map(({ groupId, displayName }) => `${groupId} ${displayName}`).sort();
  const digest = createHash('sha256').update(groups.join('\n')).digest('base64url').slice(0, DIGEST_LENGTH);
  return etagOf(`${String(version)}.${digest}`);
};

/**
 * The resource as it is answered. `active` is what the directory last said: a hold an administrator or a disabled
 * connection put on the account is not the directory's, and is shown in our own API.
 */
export const renderUser = (
  account: Account,
  memberships: readonly MembershipOf[],
  { origin, selection }: { readonly origin: string; readonly selection: Selection },
): Document => {
  const document = toDocument(account);
  const extensions = USER.extensions.map(({ id }) => id).filter((id) => Object.hasOwn(document, id));
  const groups = memberships.map(({ groupId, displayName }): JsonValue => ({
    value: groupId,
    $ref: `${origin}/scim/v2/Groups/${groupId}`,
    display: displayName,
    type: 'direct',
  }));
  const resource: Document = {
    schemas: [USER.core.id, ...extensions],
    id: account.id,
    ...document,
    ...(groups.length === 0 ? {} : { groups }),
    meta: {
      resourceType: USER.name,
      created: account.createdAt.toISOString(),
      lastModified: account.updatedAt.toISOString(),
      location: locationOf(origin, account.id),
      version: userEtag(account, memberships),
    },
  };
  return select(USER, selection, resource);
};
