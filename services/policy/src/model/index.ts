/**
 * What permissions and roles mean, and the index that decides.
 *
 * Owns: the permission catalogue, the built-in roles, the Casbin model and its compilation. Does not own: who holds
 * what (grants/), who is who (subjects/). Casbin itself is imported by enforcer.ts alone: it defines what the index must
 * answer, and the running service asks it only beside the index (engine/).
 */
export {
  cellsFrom,
  compileGrant,
  GRANTS_PER_STEP,
  compileOrganization,
  compileSteps,
  getOrAdd,
  type Cell,
  type Compiled,
  type CompiledGrant,
  type OrganizationIndex,
  type SubjectCells,
} from './compile.ts';
export { rowsOf } from './rows-of.ts';
export { referenceEnforcer, type ReferenceEnforcer, type ReferencePolicy } from './enforcer.ts';
export { indexBytes, indexDigest, isSameSteps } from './digest.ts';
export { organizationLines, roleLines, type Membership, type PolicyLine } from './lines.ts';
export { MODEL_TEXT, assertImplemented } from './model.ts';
export { patchOrganization, type OrganizationChange } from './patch.ts';
export {
  bitOf,
  emptyPermissionSet,
  hasBit,
  permissionSetOf,
  type BitPosition,
  type PermissionSet,
} from './permission-set.ts';
export {
  PERMISSIONS,
  PERMISSION_NAMES,
  PLACES,
  RESOURCE_TYPES,
  isPermission,
  permissionNumber,
  placeNumber,
  resourceTypeOf,
  type Permission,
  type Place,
} from './permissions.ts';
export {
  AUDITOR,
  BUILT_IN_ROLES,
  OWNER,
  SCOPE_LEVELS,
  findRole,
  isWritingRole,
  permissionsPerPlace,
  rolesByKey,
  type RoleDefinition,
  type ScopeLevel,
} from './roles.ts';
export {
  ROLE_KEY,
  SUBJECT_TYPES,
  isPermissionAt,
  isPoison,
  readEnvironment,
  readGrant,
  readProject,
  readRole,
  readSeparation,
  type Effect,
  type Engine,
  type EnvironmentRow,
  type GrantRow,
  type OrganizationRows,
  type PoisonRow,
  type ProjectRow,
  type SeparationRule,
  type SubjectType,
  type Tier,
} from './rows.ts';
