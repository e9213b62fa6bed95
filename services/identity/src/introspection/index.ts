/**
 * Introspection: who is behind a session cookie, an API token or an access token of our OpenID Provider.
 *
 * Owns: the one question and its gRPC surface. Does not own: the credentials (sessions/, tokens/, provider/), each of
 * which joins the account's status and epoch in its own read.
 */
export { resolveCredential, type ResolvedCredential, type ShownCredential } from './resolve-credential.ts';
export { introspectionService } from './rpc.ts';
