import type Koa from 'koa';
import type { z } from 'zod';

import type { RequestContext } from './context.ts';
import type { ErrorRenderer } from './problem.ts';
import type { Principal, Scope } from './principal.ts';

/** Anybody may call, nobody is authenticated. */
export const PUBLIC: unique symbol = Symbol('public');
/** Any authenticated principal, about what is its own. */
export const SELF: unique symbol = Symbol('self');
/** The surface has a credential of its own (SCIM token, environment key, decision token): `guard` checks it. */
export const GUARDED: unique symbol = Symbol('guarded');

export type Permission = string | typeof PUBLIC | typeof SELF | typeof GUARDED;

/** The family of a route: decides content types, strictness and the shape of errors. */
export type Surface = 'api' | 'scim' | 'browser' | 'ofrep' | 'authzen' | 'oauth';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export type Schema = z.ZodType | undefined;
export type OutputOf<S extends Schema, Absent> = S extends z.ZodType ? z.output<S> : Absent;

export type RawQuery = Readonly<Record<string, string | string[] | undefined>>;
export type RawParams = Readonly<Record<string, string>>;

/** What a scope is computed from: path, query and caller, never the body. */
export interface ScopeRequest<P extends Schema = Schema, Q extends Schema = Schema> {
  readonly params: OutputOf<P, RawParams>;
  readonly query: OutputOf<Q, RawQuery>;
  readonly context: RequestContext;
  readonly principal: Principal;
}

export interface RouteRequest<
  P extends Schema = undefined,
  Q extends Schema = undefined,
  B extends Schema = undefined,
  G = undefined,
> {
  readonly params: OutputOf<P, RawParams>;
  readonly query: OutputOf<Q, RawQuery>;
  readonly body: OutputOf<B, undefined>;
  /** What `guard` returned; undefined without one. */
  readonly guarded: G;
  readonly context: RequestContext;
  /** Escape hatch: cookies and the raw request. */
  readonly ctx: Koa.Context;
}

export interface RouteResponse {
  readonly status: number;
  /** Objects are sent as JSON of the surface; text, bytes and async iterables (streamed) as they are. */
  readonly body?: unknown;
  /** Override the defaults of the surface. */
  readonly headers?: Readonly<Record<string, string | string[]>>;
}

/**
 * One row of a service's route table. Build it with {@link route}, which infers the types of the handler.
 *
 * Order of a request: guard or authenticate → origin check → params and query → scope → decision → body → handler.
 * The decision is had before one byte of the body is read.
 */
export interface RouteDefinition<
  P extends Schema = Schema,
  Q extends Schema = Schema,
  B extends Schema = Schema,
  G = unknown,
> {
  readonly method: Method;
  /** `/api/flags/v1/projects/:projectId` */
  readonly path: string;
  /** A permission of the catalogue, or PUBLIC, SELF or GUARDED. There is no default. */
  readonly permission: Permission;
  readonly surface: Surface;
  readonly summary: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** Every status the handler answers; null where there is no body (or one of the error shapes). */
  readonly responses: Readonly<Record<number, z.ZodType | null>>;
  /** 'organization' (default) · 'deferred': the handler calls `context.require` · computed from path and query. */
  readonly scope?: 'organization' | 'deferred' | ScopeOf<P, Q>;
  /** Checks the surface's own credential before anything else is looked at; throws UNAUTHENTICATED. */
  readonly guard?: GuardOf<G>;
  /** Replaces the cap of the surface. */
  readonly bodyLimitBytes?: number;
  /** Replaces the content types of the surface. */
  readonly contentTypes?: readonly string[];
  /**
   * The handler reads the body itself, from `ctx.req` and as a stream: for bodies no process should hold. Needs
   * `contentTypes`, which are checked before the handler is called; caps are the handler's own.
   */
  readonly streamed?: true;
  /** ms; default 30,000. */
  readonly deadlineMs?: number;
  /**
   * The name by which an organisation demands a recent sign-in for this route. For routes without a permission of the
   * catalogue; with one, the permission itself is the name.
   */
  readonly stepUp?: string;
  /** Only for endpoints other sites post to by design (the SAML ACS): no origin check, no cookie is looked at. */
  readonly crossSite?: 'allowed';
  /** Replaces the renderer of the surface. */
  readonly renderer?: ErrorRenderer;
  readonly handler: HandlerOf<P, Q, B, G>;
}

// Method syntax makes a typed route assignable to the erased `Route` of a table.
type ScopeOf<P extends Schema, Q extends Schema> = {
  scope(request: ScopeRequest<P, Q>): Scope | Promise<Scope>;
}['scope'];
type GuardOf<G> = { guard(ctx: Koa.Context, context: RequestContext): Promise<G> }['guard'];
type HandlerOf<P extends Schema, Q extends Schema, B extends Schema, G> = {
  handler(request: RouteRequest<P, Q, B, G>): Promise<RouteResponse>;
}['handler'];

/** A row whose types have been checked and forgotten; what tables hold. */
export type Route = RouteDefinition;

/** Types a row of the route table: params, query and body of the handler follow from the schemas. */
export const route = <
  P extends Schema = undefined,
  Q extends Schema = undefined,
  B extends Schema = undefined,
  G = undefined,
>(
  definition: RouteDefinition<P, Q, B, G>,
): Route => definition;
