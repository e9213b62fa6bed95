import type { AuditContext } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import type { RequestContext } from '@sallyport/http';
import { Batcher } from '@sallyport/storage';
import type Koa from 'koa';

import type { PresentedCredential, ScimProfile } from '../connections/index.ts';
import type { IdentityContext } from '../context.ts';
import { judge, readBearer, touch, type BearerCredential, type Refusal } from './credential.ts';
import { OncePer, type KnownCredential } from './limits/index.ts';
import { watchExchange, type ExchangeDraft } from './traces/index.ts';

/** The directory that speaks: a credential belongs to exactly one connection of exactly one organisation. */
export interface ScimCaller {
  readonly orgId: string;
  readonly connectionId: string;
  /** The dialect the connection is held to. */
  readonly profile: ScimProfile;
  readonly audit: AuditContext;
}

const SECOND_MS = 1_000;
/** Look-ups of one credential that run at the same time. */
const LOOK_UPS_OF_ONE = 2;

const unauthenticated = (): AppError => new AppError('UNAUTHENTICATED', 'The bearer token is missing or not valid.');

const REFUSALS: Readonly<Record<Refusal, () => AppError>> = {
  revoked: unauthenticated,
  expired: unauthenticated,
  'connection-disabled': () => new AppError('CONNECTION_DISABLED', 'The connection is disabled.'),
  'address-not-allowed': () =>
    new AppError('PERMISSION_DENIED', 'The connection does not accept requests from this address.'),
};

const auditContextOf = (credential: PresentedCredential, request: RequestContext): AuditContext => ({
  orgId: credential.orgId,
  actor: { type: 'connection', id: credential.connectionId, via: `${credential.class}:${credential.id}` },
  ip: request.ip,
  ...(request.userAgent === undefined ? {} : { userAgent: request.userAgent }),
  requestId: request.requestId,
});

/** One request on its way through the guard. */
interface Entrance {
  readonly ctx: Koa.Context;
  readonly request: RequestContext;
  readonly draft: ExchangeDraft;
}

class Guard {
  readonly #service: IdentityContext;
  readonly #touched = new OncePer();
  readonly #refused = new OncePer();
  /** A flood must not push everything else out of the traces. */
  readonly #limited = new OncePer(SECOND_MS);
  /** One look-up serves the requests that had come when it began. */
  readonly #lookUps = new Batcher<BearerCredential, PresentedCredential | undefined>({
    maxSize: Number.POSITIVE_INFINITY,
    maxRunning: LOOK_UPS_OF_ONE,
    run: async (bearers) => {
      const found = await bearers[0].find(this.#service);
      return bearers.map(() => found);
    },
  });

  constructor(service: IdentityContext) {
    this.#service = service;
  }

  async enter(ctx: Koa.Context, request: RequestContext): Promise<ScimCaller> {
    const entrance = { ctx, request, draft: watchExchange(ctx, request, this.#service) };
    const bearer = readBearer(ctx.get('authorization')); // 1
    if (bearer === undefined) throw unauthenticated();
    const credential = await this.#find(entrance, bearer);
    return await this.#accept(entrance, bearer, credential);
  }

  /** Counts the request before the database is asked, if its credential has worked before; looks it up in any case. */
  async #find(entrance: Entrance, bearer: BearerCredential): Promise<PresentedCredential> {
    const { limits } = this.#service;
    const known = limits.known(bearer.hash);
    if (known === undefined) limits.admitUnknown(entrance.request.ip); // 2
    else this.#admit(entrance, known); // 3
    const credential = await this.#lookUps.add(bearer.hash.toString('base64'), bearer); // 4
    if (credential === undefined) {
      limits.forget(bearer.hash);
      throw unauthenticated();
    }
    entrance.draft.credential = credential;
    return credential;
  }

  /** Whether the credential may be used, by what the database says at this moment. */
  async #accept(entrance: Entrance, { hash }: BearerCredential, credential: PresentedCredential): Promise<ScimCaller> {
    const { limits, clock, db } = this.#service;
    const { request, draft } = entrance;
    const audit = auditContextOf(credential, request);
    const verdict = judge(credential, { now: clock.now(), ip: request.ip });
    if (verdict.refusal !== null) {
      limits.forget(hash);
      await this.#recordRefusal(audit, credential, verdict.refusal);
      throw REFUSALS[verdict.refusal](); // 5, 6
    }
    draft.profile = verdict.profile;
    if (limits.known(hash) === undefined) {
      limits.forgive(request.ip);
      limits.remember(hash, credential);
      this.#admit(entrance, credential);
    }
    if (this.#touched.isDue(credential.id, clock.monotonicMs()))
      await db.unauditedWrite(credential.orgId, 'last use of a credential', (tx) => touch(tx, credential, clock));
    return { orgId: credential.orgId, connectionId: credential.connectionId, profile: verdict.profile, audit };
  }

  #admit({ ctx, draft }: Entrance, credential: KnownCredential): void {
    const { limits, clock } = this.#service;
    try {
      limits.admit(credential, ctx.method);
    } catch (error) {
      const isShown = this.#limited.isDue(credential.connectionId, clock.monotonicMs());
      draft.credential = isShown ? credential : undefined;
      throw error;
    }
  }

  async #recordRefusal(context: AuditContext, credential: PresentedCredential, reason: Refusal): Promise<void> {
    const { audit, clock, logger } = this.#service;
    if (!this.#refused.isDue(`${credential.id}:${reason}`, clock.monotonicMs())) return;
    const target = { type: 'connection', id: credential.connectionId };
    await audit.recordDenied(context, { action: 'scim.request-refused', target, reason }).catch((error: unknown) => {
      logger.error({ err: error }, 'a refused directory request could not be recorded');
    });
  }
}

/**
 * Authenticates a directory by a bearer token of its connection or an access token of one of its OAuth clients.
 *
 * 1. What we could not have issued is refused without a look-up; 2. of credentials that have not worked here, only so
 * many are looked up per second and address; 3. those that have are counted against their connection first; 4. then
 * every one is looked up by its hash, across organisations, after its request has come (one look-up may serve several that
 * came before it): what was remembered decides nothing; 5. revoked, expired,
 * of a removed connection or one without SCIM: 401; 6. of a disabled connection, or from an address its list does not
 * name: 403, never 2xx. Refusals of 5 and 6 are recorded in the audit log of the credential's organisation, at most
 * once a minute each.
 *
 * @throws UNAUTHENTICATED, CONNECTION_DISABLED, PERMISSION_DENIED, RATE_LIMITED
 * @see RFC 6750 §2.1, RFC 7644 §2
 */
export const scimGuard = (service: IdentityContext) => {
  const guard = new Guard(service);
  return async (ctx: Koa.Context, request: RequestContext): Promise<ScimCaller> => await guard.enter(ctx, request);
};

/**
 * Whether the credential a request came with may still be used: a request of many operations does not outlive it.
 *
 * @throws what {@link scimGuard} throws for it, but RATE_LIMITED
 */
export const requireStillAdmitted = async (
  service: IdentityContext,
  ctx: Koa.Context,
  request: Pick<RequestContext, 'ip'>,
): Promise<void> => {
  const credential = await readBearer(ctx.get('authorization'))?.find(service);
  if (credential === undefined) throw unauthenticated();
  const { refusal } = judge(credential, { now: service.clock.now(), ip: request.ip });
  if (refusal !== null) throw REFUSALS[refusal]();
};
