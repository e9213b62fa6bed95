import { AppError, type ErrorCode } from '@sallyport/errors';

import type { Logger } from '@sallyport/telemetry';
import { monotonicMs } from './clock.ts';
import type { Route } from './route.ts';
import type { AuditContext, GrantedDecision, Principal, Scope } from './principal.ts';

/** Everything a handler knows about the request it serves. A value per request; nothing is shared. */
export interface RequestContext {
  readonly requestId: string;
  /** The client's address, as far as trusted proxies vouch for it. */
  readonly ip: string;
  readonly userAgent: string | undefined;
  /** Null on PUBLIC and GUARDED routes. */
  readonly principal: Principal | null;
  /** Aborts when the client is gone or the deadline has passed. */
  readonly signal: AbortSignal;
  /** Monotonic ms (the scale of `Clock.monotonicMs()`), for comparing; pass {@link remainingMs} on to calls. */
  readonly deadlineAtMs: number;
  /** ms until the deadline, at least 0. */
  remainingMs(): number;
  readonly logger: Logger;
  /**
   * Asks for one more permission.
   *
   * @throws PERMISSION_DENIED with the reason, after the denial has been recorded; DECISION_UNAVAILABLE
   */
  require(permission: string, scope?: Scope): Promise<GrantedDecision>;
  /** The decision of the route's own permission; null before it, and on routes without one. */
  readonly decision: GrantedDecision | null;
  /** @throws UNAUTHENTICATED when nobody is authenticated */
  auditContext(): AuditContext;
}

export interface RequestContextInit {
  readonly requestId: string;
  readonly ip: string;
  readonly userAgent: string | undefined;
  readonly logger: Logger;
  /** The authorisation step of the app: decides, records denials, throws them. */
  readonly require: (context: LiveContext, permission: string, scope: Scope) => Promise<GrantedDecision>;
  /** The step after a decision: a recent sign-in where the organisation demands one. */
  readonly requireStepUp: (context: LiveContext, action: string) => Promise<void>;
}

/** The mutable side of a context, known only to the pipeline of this package. */
export class LiveContext implements RequestContext {
  readonly requestId: string;
  readonly ip: string;
  readonly userAgent: string | undefined;
  /** Set when the route, and with it the deadline, is known. */
  deadlineAtMs = Number.POSITIVE_INFINITY;
  /** The matched row of the route table. */
  route: Route | null = null;
  principal: Principal | null = null;
  decision: GrantedDecision | null = null;
  /** Code of the error that was answered. */
  errorCode: ErrorCode | null = null;
  /** How many decisions of this request were granted; what `scope: 'deferred'` is checked against. */
  grantedCount = 0;
  readonly #parentLogger: Logger;
  #logger: Logger | undefined;
  readonly #ask: RequestContextInit['require'];
  readonly #askStepUp: RequestContextInit['requireStepUp'];
  #controller: AbortController | undefined;
  #abortReason: AppError | undefined;

  constructor(init: RequestContextInit) {
    this.requestId = init.requestId;
    this.ip = init.ip;
    this.userAgent = init.userAgent;
    this.#parentLogger = init.logger;
    this.#ask = init.require;
    this.#askStepUp = init.requireStepUp;
  }

  get logger(): Logger {
    return (this.#logger ??= this.#parentLogger.child({ requestId: this.requestId }));
  }

  // Made on first use: most requests never look at it, and a controller costs more than the rest of this object.
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** Ends the request's work; only the first reason counts. */
  abort(reason: AppError): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  remainingMs(): number {
    return Math.max(0, this.deadlineAtMs - monotonicMs());
  }

  require(permission: string, scope: Scope = {}): Promise<GrantedDecision> {
    return this.#ask(this, permission, scope);
  }

  requireStepUp(action: string): Promise<void> {
    return this.#askStepUp(this, action);
  }

  /** The principal, or UNAUTHENTICATED. */
  authenticated(): Principal {
    if (this.principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
    return this.principal;
  }

  auditContext(): AuditContext {
    const principal = this.authenticated();
    return {
      orgId: principal.orgId,
      actor: {
        type: principal.type,
        id: principal.subjectId,
        via: `${principal.credentialType}:${principal.credentialId}`,
        ...(principal.credentialType === 'session' ? { session: principal.credentialId } : {}),
      },
      ip: this.ip,
      ...(this.userAgent === undefined ? {} : { userAgent: this.userAgent }),
      requestId: this.requestId,
    };
  }
}
