/**
 * The HTTP edge every service shares.
 *
 * Owns: the route table and its pipeline (authentication, origin check, validation, authorisation, errors), security
 * headers, body limits, health endpoints, the server's life. Does not own: who a caller is (`authenticate`), what they
 * may do (`decide`), how denials are recorded (`onDenied`).
 *
 * @see RFC 9110, RFC 9457 (problem details), RFC 6750 §3 (challenges)
 */
export { createHttpApp, type HttpApp, type HttpAppOptions } from './app.ts';
export { STEP_UP_PATH } from './authorize.ts';
export type { Decide, DecideRequest, Denial, OnDenied } from './authorize.ts';
export type { RequestContext } from './context.ts';
export { decodeCursor, encodeCursor, listOf, listQuery } from './cursor.ts';
export { hardenProcess } from './harden.ts';
export { contentSecurityPolicy, type ContentSecurityPolicyOptions } from './headers.ts';
export type { ReadinessChecks } from './health.ts';
export { checkText, isStorable, parseJson, type JsonRules } from './json.ts';
export type { Mount } from './mount.ts';
export { openApi, type OpenApiDocument, type OpenApiOptions } from './openapi.ts';
export type { AuditContext, Decision, GrantedDecision, Principal, Scope } from './principal.ts';
export { escapeHtml, renderErrorPage, renderProblem, type ErrorRenderer, type ErrorRendering } from './problem.ts';
export {
  GUARDED,
  PUBLIC,
  SELF,
  route,
  type Method,
  type Permission,
  type Route,
  type RouteDefinition,
  type RouteRequest,
  type RouteResponse,
  type ScopeRequest,
  type Surface,
} from './route.ts';
export type { Authenticate } from './serve-route.ts';
export type { HttpServer, ListenOptions } from './server.ts';
