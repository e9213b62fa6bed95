/**
 * API tokens: long-lived credentials of people and service accounts, for programs.
 *
 * Owns: their rows, issue (shown once, hashed at rest, expiry mandatory), listing and revoking one's own. Does not own:
 * what a token may do (its owner's grants, narrowed by its scopes), the door that ends all of an account's.
 */
export { isApiToken, resolveToken, type ResolvedToken } from './resolve-token.ts';
export { issueToken, type IssuedToken, type TokenRequest } from './issue-token.ts';
export { tokenRoutes } from './routes.ts';
export { serviceAccountTokenRoutes } from './service-account-routes.ts';
export { voidApiTokens } from './void-tokens.ts';
