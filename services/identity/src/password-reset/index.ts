/**
 * Forgotten passwords of local accounts.
 *
 * Owns: the reset (single use, 30 min, of one epoch), its mail and its pages. Does not own: passwords (local-login/), the
 * door through which everything else the account holds ends (accounts/).
 * @see OWASP ASVS 5.0 §6.4, NIST SP 800-63B-4 §4.2
 */
export { passwordResetRoutes } from './page-routes.ts';
export { endResets } from './store.ts';
export { sweepResets } from './sweep.ts';
