/**
 * Who holds which role.
 *
 * Owns: grants and group mappings, the rules a change of them must keep (nobody beyond what they hold, nobody their
 * own, exclusive roles, the last Owner), the snapshot of everything that decides and the lease under which it may be
 * used. Does not own: what a role means (model/), who is who (subjects/), the answer to a question (decide/).
 */
export {
  changeGrants,
  describeApproval,
  describeDecision,
  enforce,
  isAllowedNow,
  populationOf,
  takeRevision,
  toRow,
  type Administrator,
  type Approval,
  type GrantDependencies,
  type LockedState,
} from './change-grants.ts';
export { describeGrant, type Grant, type NewGrant } from './grant.ts';
export { assertGrantable, createGrant, knownScope, type GrantInput } from './create-grant.ts';
export { deleteGrant } from './delete-grant.ts';
export { endGrant } from './end-grant.ts';
export { firstMissing, givenBy, heldBy, holderOf, toScope, type Acts, type GrantScope, type Holder } from './held.ts';
export { GrantKnowledge, databaseSource, type GrantKnowledgeOptions, type GrantSource } from './knowledge.ts';
export { compileRaw, type RawOrganization } from './read-rows.ts';
export type { IndexStatus } from './residents.ts';
export type { Population } from './population.ts';
export {
  AUDITOR_RULE,
  describeViolation,
  isOver,
  newViolations,
  refuseCombination,
  violationKey,
  violationsOf,
  type Violation,
} from './separation.ts';
export { OutlivedGrants } from './outlived.ts';
export { ownershipService } from './ownership.ts';
export { mappingPreviewRoute } from './preview-routes.ts';
export { previewMapping, type MappingPreview, type MappingProposal, type MemberPreview } from './preview-mapping.ts';
export { administratorOf, grantRoutes, type GrantRouteDependencies } from './routes.ts';
export {
  futureOf,
  momentOf,
  ownersOf,
  refuseBeyondOwn,
  refuseLastOwner,
  refuseOwn,
  refuseOwnRole,
  refuseRoleBeyondOwn,
  takingOf,
} from './rules.ts';
export { EMPTY_SNAPSHOT, type DecisionToken, type PolicySnapshot } from './snapshot.ts';
export {
  GRANT_JSON,
  deleteGrantRow,
  deleteOverOfRole,
  findGrant,
  insertGrant,
  listGrants,
  lockHead,
  nextRevision,
} from './store.ts';
export { id, moment, newGrantShape, newMappingShape, scopeShape, toGrantInput, toMappingInput } from './wire.ts';
