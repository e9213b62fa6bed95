/**
 * Groups of a connection's directory, and who is in them.
 *
 * Owns: group rows and membership rows, and telling the subject log of both. Does not own: what a group may do (policy
 * maps groups to roles), SCIM's shapes, accounts.
 */
export { changeGroup, createGroup, deleteGroup, type ChangeGroup, type CreateGroup } from './change-group.ts';
export { changeKeepingAnOwner, type AskOwnership, type Ownership } from './owner-rule.ts';
export type { Group, MembershipStep } from './group.ts';
export { listGroupsOf, listMembers, type Member, type MembershipOf } from './member-store.ts';
export { groupRoutes } from './routes.ts';
export { findGroup, listGroups, listGroupsById, lockGroup } from './store.ts';
