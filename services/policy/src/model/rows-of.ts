import type { OrganizationIndex } from './compile.ts';
import { BUILT_IN_ROLES, rolesByKey, type RoleDefinition } from './roles.ts';
import type { OrganizationRows } from './rows.ts';

/**
 * The rows an index was made of: compiled again they make the same index. For asking Casbin, for export, and for what
 * would be if one of them were another.
 *
 * @param everybodys the roles every organisation has, which are no rows of its own
 */
export const rowsOf = (
  index: OrganizationIndex,
  everybodys: readonly RoleDefinition[] = BUILT_IN_ROLES,
): Required<OrganizationRows> => {
  const fixed = rolesByKey(everybodys);
  return {
    orgId: index.orgId,
    slug: index.slug,
    revision: index.revision,
    grants: index.grants.map(({ row }) => row),
    projects: [...index.projects.values()],
    environments: [...index.environments.values()],
    roles: [...index.roles.values()].filter(({ key }) => !fixed.has(key)),
    separations: index.separations,
    engine: index.engine,
  };
};
