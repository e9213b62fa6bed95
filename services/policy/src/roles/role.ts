import type { JsonObject } from '@sallyport/audit';

import { PLACES, type RoleDefinition } from '../model/index.ts';

/** A role of an organisation's own, as it is stored. */
export interface Role extends RoleDefinition {
  /** Changes with every edit; what an ETag says. */
  readonly version: number;
  readonly createdAt: Date;
  /** Subject id. */
  readonly createdBy: string;
  readonly updatedAt: Date;
  readonly updatedBy: string;
}

/** An organisation has at most so many of its own. */
export const MAX_ROLES = 200;

/** What the audit log says about a role. */
export const describeRole = ({ key, name, description, levels, permissions }: RoleDefinition): JsonObject => ({
  key,
  name,
  description,
  levels: [...levels],
  permissions: Object.fromEntries(PLACES.map((place) => [place, [...permissions[place]]])),
});

/** What a role is, without when and by whom. */
export const definitionOf = ({ key, name, description, levels, permissions }: RoleDefinition): RoleDefinition => ({
  key,
  name,
  description,
  levels,
  permissions,
});

/** True when both say the same. */
export const isSameRole = (one: RoleDefinition, other: RoleDefinition): boolean =>
  JSON.stringify(describeRole(one)) === JSON.stringify(describeRole(other));
