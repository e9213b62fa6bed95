/**
 * Invitations into local accounts.
 *
 * Owns: the invitation (single use, 72 h, revocable), its mail and its page. Does not own: accounts (accounts/),
 * passwords (local-login/), what somebody invited may do (policy).
 */
export { invitationPageRoutes } from './page-routes.ts';
export { invitationRoutes } from './routes.ts';
