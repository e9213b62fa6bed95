import type { AuditContext } from '@sallyport/audit';
import { AppError, isAppError } from '@sallyport/errors';
import type { WriteTx } from '@sallyport/storage';

import type { IdentityContext } from '../context.ts';
import { openSession, type OpenedSession, type Proof } from '../sessions/index.ts';
import type { AccountRefusal, ExternalLogin } from './external-login.ts';
import type { PendingLogin } from './pending-store.ts';
import { settleReplaced } from './settle-replaced.ts';
import { syncGroups } from './sync-groups.ts';
import { resolveAccount, type Resolution } from './resolve-account.ts';

/** Where a login comes from, for the record. */
export type LoginOrigin = Pick<AuditContext, 'requestId' | 'ip' | 'userAgent'>;

export type CompletedLogin<Conflict extends string = never> =
  | { readonly ok: true; readonly session: OpenedSession }
  /** `recorded`: the refusal has its audit entry; a conflict has none yet. */
  | { readonly ok: false; readonly reason: AccountRefusal | Conflict; readonly recorded: boolean };

export interface CompletionRequest<Conflict extends string = never> {
  readonly origin: LoginOrigin;
  /** The request it answers; null for one the identity provider began. */
  readonly pending: PendingLogin | null;
  /**
   * Uses up what was presented, first of all and in the same transaction, where it has not been done before; answers
   * why it cannot be used. It stays used when the login is refused.
   */
  readonly useUp?: (tx: WriteTx) => Promise<Conflict | null>;
}

/**
 * Turns the word of an identity provider, already verified, into a session or an audited refusal. That it was used,
 * account, session and entry commit together.
 */
export const completeLogin = async <Conflict extends string = never>(
  context: IdentityContext,
  login: ExternalLogin,
  request: CompletionRequest<Conflict>,
): Promise<CompletedLogin<Conflict>> => {
  if (request.pending?.purpose === 'test') throw new AppError('INTERNAL', 'A test login opens no session.');
  const auditContext: AuditContext = {
    orgId: login.orgId,
    actor: { type: 'connection', id: login.connectionId, via: login.method },
    ...request.origin,
  };
  try {
    const { value } = await context.audit.mutate(auditContext, async (tx): Promise<CompletedLogin<Conflict>> => {
      const conflict = (await request.useUp?.(tx)) ?? null;
      if (conflict !== null) {
        tx.unchanged();
        return { ok: false, reason: conflict, recorded: false };
      }
      const resolution = asAskedFor(await resolveAccount(tx, context, login), login, request.pending);
      if (!resolution.ok) {
        tx.record(refusal(login.connectionId, resolution.reason));
        return { ...resolution, recorded: true };
      }
      await syncGroups(tx, context, login, resolution.accountId);
      const replaces = request.pending?.replaces ?? null;
      const session = await openSession(tx, {
        accountId: resolution.accountId,
        connectionId: login.connectionId,
        method: login.method,
        acr: login.acr,
        amr: login.amr,
        authenticatedAt: login.authenticatedAt,
        proof: proofOf(login, context.clock.now()),
        idpSessionEndsAtMs: login.idpSessionEndsAtMs,
        idpSubjectKey: login.subjectKey,
        idpSession: login.idpSession,
        replaces,
        now: context.clock.now(),
      });
      const isContinued = request.pending?.purpose === 'step-up';
      await settleReplaced(tx, context, { replaced: replaces, sessionId: session.sessionId, isContinued });
      return { ok: true, session };
    });
    return value;
  } catch (error) {
    // Closed or taken between our look and our write: the transaction is gone, the refusal is recorded on its own.
    const reason = raceReason(error);
    if (reason === null) throw error;
    if (request.useUp !== undefined)
      await context.db.unauditedWrite(login.orgId, 'what was presented stays used', request.useUp);
    await context.audit.recordDenied(auditContext, refusal(login.connectionId, reason));
    return { ok: false, reason, recorded: true };
  }
};

/** Clock difference tolerated between us and an IdP. */
const SKEW_MS = 60_000;

/** A step-up is of the account that asked for it, who was there after it was asked. */
const asAskedFor = (resolution: Resolution, login: ExternalLogin, pending: PendingLogin | null): Resolution => {
  if (!resolution.ok || pending?.purpose !== 'step-up') return resolution;
  if (resolution.accountId !== pending.startedBy) return { ok: false, reason: 'STEP_UP_OTHER_ACCOUNT' };
  const provenAtMs = login.provenAt?.getTime() ?? Number.NEGATIVE_INFINITY;
  const isFresh = provenAtMs >= pending.createdAt.getTime() - SKEW_MS;
  return isFresh ? resolution : { ok: false, reason: 'STEP_UP_NOT_FRESH' };
};

/** An IdP whose clock is ahead does not make a proof last longer. */
const proofOf = (login: ExternalLogin, now: Date): Proof => ({
  provenAt: login.provenAt === null || login.provenAt <= now ? login.provenAt : now,
  multiFactor: isWithMoreFactors(login),
});

/** Whether the IdP says so in words the connection believes. */
export const isWithMoreFactors = ({ acr, amr, rule }: ExternalLogin): boolean =>
  [acr, ...amr].some((said) => said !== null && rule.multiFactor.includes(said));

const refusal = (connectionId: string, reason: AccountRefusal) =>
  ({ action: 'login.refused', target: { type: 'connection', id: connectionId }, reason, outcome: 'denied' }) as const;

/** What an error says about the account that was closed, or the name that was taken, between look and write. */
export const raceReason = (error: unknown): AccountRefusal | null => {
  if (!isAppError(error)) return null;
  if (error.code === 'LOGIN_REFUSED') return 'ACCOUNT_INACTIVE';
  if (error.code === 'ALREADY_EXISTS') return 'NAME_TAKEN';
  return error.code === 'CONNECTION_DISABLED' ? 'CONNECTION_DISABLED' : null;
};

/** Records that the answer of an identity provider was refused before anybody was looked for. */
export const recordRefusedLogin = async (
  context: IdentityContext,
  refused: {
    readonly orgId: string;
    readonly connectionId: string;
    readonly method: 'saml' | 'oidc';
    readonly reason: string;
    /** Element names and limits for the connection's administrator; never values from the message. */
    readonly where: string | null;
  },
  origin: LoginOrigin,
): Promise<void> => {
  const { orgId, connectionId, method, reason, where } = refused;
  context.logger.info({ connectionId, method, reason }, 'login refused');
  await context.audit.recordDenied(
    { orgId, actor: { type: 'anonymous', id: 'anonymous', via: method }, ...origin },
    {
      action: 'login.refused',
      target: { type: 'connection', id: connectionId },
      reason,
      ...(where === null ? {} : { after: { where } }),
    },
  );
};
