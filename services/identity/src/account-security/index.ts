/**
 * How somebody signs in, seen and changed: by themselves, and by administrators.
 *
 * Owns: the API and pages of one's own factors and password, resetting those of others, what an organisation asks of
 * local accounts. Does not own: the factors (factors/), passwords (local-login/), signing in (local-sign-in/).
 * @see OWASP ASVS 5.0 §7.5
 */
export { localSignInAdminRoutes } from './admin-routes.ts';
export { securityPageRoutes } from './page-routes.ts';
export { factorRoutes } from './routes.ts';
