/**
 * Changes of who may do what that others have to agree to, where a scope demands four eyes; and protecting such scopes.
 *
 * Owns: proposals, approvals bound to a hash, applying them, changing protections. Does not own: the rules of the
 * changes themselves (grants/, roles/), nor where four eyes are demanded (protections/).
 */
export type { ProposalDependencies } from './proposal.ts';
export { proposalRoutes } from './routes.ts';
export { protectionRoutes } from './protection-routes.ts';
