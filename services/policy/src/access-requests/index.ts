/**
 * Asking for access: who wants which role, where, until when and why; somebody else who could give it says yes or no.
 *
 * Owns: requests, their states (those of the AuthZEN access request profile) and their end. Does not own: the rules of
 * giving a role, which are the same as for any other grant (grants/).
 */
export type { AccessRequestDependencies } from './access-request.ts';
export { approveRequest } from './answer-request.ts';
export { loadWish } from './load-wish.ts';
export { endDueRequests } from './end-due.ts';
export { accessRequestRoutes } from './routes.ts';
