import type { AuditContext } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import type { RequestContext } from '@sallyport/http';
import { isWellFormedSecret, secretHash } from '@sallyport/storage';
import type Koa from 'koa';

import {
  findPresentedToken,
  SCIM_TOKEN_PREFIX,
  touchScimToken,
  type PresentedScimToken,
  type ScimProfile,
} from '../connections/index.ts';
import type { IdentityContext } from '../context.ts';

/** The directory that speaks: a token belongs to exactly one connection of exactly one organisation. */
export interface ScimCaller {
  readonly orgId: string;
  readonly connectionId: string;
  /** The dialect the connection is held to. */
  readonly profile: ScimProfile;
  readonly audit: AuditContext;
}

const BEARER = /^bearer +([\w.~+/-]+=*)$/i;
const SECOND_MS = 1_000;
const TOUCH_INTERVAL_MS = 60 * SECOND_MS;
const MAX_REMEMBERED = 10_000;

const unauthenticated = (): AppError => new AppError('UNAUTHENTICATED', 'The bearer token is missing or not valid.');

/** Why a token that exists may not be used; undefined when it may. */
const refusalOf = (token: PresentedScimToken, now: Date): 'revoked' | 'expired' | 'connection-disabled' | undefined => {
  if (token.revokedAt !== null || token.connectionRemoved || token.profile === null) return 'revoked';
  if (token.expiresAt <= now) return 'expired';
  return token.connectionEnabled ? undefined : 'connection-disabled';
};

const auditContextOf = (token: PresentedScimToken, request: RequestContext): AuditContext => ({
  orgId: token.orgId,
  actor: { type: 'connection', id: token.connectionId, via: `scim_token:${token.id}` },
  ip: request.ip,
  ...(request.userAgent === undefined ? {} : { userAgent: request.userAgent }),
  requestId: request.requestId,
});

/** True once a minute per key: what is worth writing down is not worth writing down for every request of a loop. */
class OncePerMinute {
  readonly #last = new Map<string, number>();

  isDue(key: string, nowMs: number): boolean {
    const last = this.#last.get(key);
    if (last !== undefined && nowMs - last < TOUCH_INTERVAL_MS) return false;
    if (this.#last.size >= MAX_REMEMBERED) this.#last.clear();
    this.#last.set(key, nowMs);
    return true;
  }
}

/**
 * Authenticates a directory by its bearer token.
 *
 * 1. A token we could not have issued is refused without a look-up; 2. it is found by its hash, across organisations;
 * 3. revoked, expired, or of a removed connection: 401; 4. of a disabled connection: 403, never 2xx. Refusals of 3 and
 * 4 are recorded in the audit log of the token's organisation, at most once a minute each.
 *
 * @throws UNAUTHENTICATED, CONNECTION_DISABLED
 * @see RFC 6750 §2.1, RFC 7644 §2
 */
export const scimGuard = ({ db, audit, clock, logger }: IdentityContext) => {
  const touched = new OncePerMinute();
  const refused = new OncePerMinute();

  const recordRefusal = async (context: AuditContext, tokenId: string, reason: string): Promise<void> => {
    if (!refused.isDue(`${tokenId}:${reason}`, clock.monotonicMs())) return;
    const target = { type: 'connection', id: context.actor.id };
    await audit.recordDenied(context, { action: 'scim.request-refused', target, reason }).catch((error: unknown) => {
      logger.error({ err: error }, 'a refused directory request could not be recorded');
    });
  };

  return async (ctx: Koa.Context, request: RequestContext): Promise<ScimCaller> => {
    const secret = BEARER.exec(ctx.get('authorization'))?.[1];
    if (secret === undefined || !isWellFormedSecret(SCIM_TOKEN_PREFIX, secret)) throw unauthenticated(); // 1
    const token = await db.readAcrossOrganizations('a SCIM token names its organisation', (tx) =>
      findPresentedToken(tx, secretHash(secret)),
    ); // 2
    if (token === undefined) throw unauthenticated();
    const context = auditContextOf(token, request);
    const now = clock.now();
    const { profile } = token;
    const refusal = refusalOf(token, now);
    if (refusal !== undefined || profile === null) {
      await recordRefusal(context, token.id, refusal ?? 'revoked');
      if (refusal === 'connection-disabled') throw new AppError('CONNECTION_DISABLED', 'The connection is disabled.'); // 4
      throw unauthenticated(); // 3
    }
    if (touched.isDue(token.id, clock.monotonicMs()))
      await db.unauditedWrite(token.orgId, 'last use of a token', (tx) =>
        touchScimToken(tx, token.orgId, token.id, now),
      );
    return { orgId: token.orgId, connectionId: token.connectionId, profile, audit: context };
  };
};
