/**
 * Roles of an organisation's own, and which roles exclude each other.
 *
 * Owns: making, changing and deleting roles within the permission catalogue; separation rules. Does not own: what a role
 * means in a decision (model/), who holds one and the rules all changes share (grants/).
 */
export { Advisor, adviceRoute, type AdvisorOptions } from './advice.ts';
export { createSeparationRule, deleteSeparationRule, type SeparationInput } from './manage-separation.ts';
export { createRole, deleteRole, updateRole, type BaseVersion } from './manage-roles.ts';
export { MAX_ROLES, describeRole, type Role } from './role.ts';
export { roleRoutes, type RoleRouteDependencies } from './routes.ts';
export { MAX_RULES, describeRule, type StoredSeparationRule } from './separation-rule.ts';
export { deleteSeparationRuleRow, insertSeparationRule, listSeparationRules } from './separation-store.ts';
export { separationRoutes } from './separation-routes.ts';
export { deleteRoleRow, findStoredRole, insertRole, listRoles, updateRoleRow } from './store.ts';
export { newRoleShape, roleBodyShape, roleShape, toDefinition, toRoleBody } from './wire.ts';
