import { personal, type AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { newId, newSecret, secretHash } from '@sallyport/storage';

import { expiryOf, type LoginMethod } from './session.ts';
import { findSettings } from './settings-store.ts';
import { isMultiFactor, type Proof } from './step-up.ts';
import { endSessions, insertSession, lockAccountForIssue } from './store.ts';

/** A completed login. */
export interface OpenSession {
  readonly accountId: string;
  readonly connectionId: string | null;
  readonly method: LoginMethod;
  readonly acr: string | null;
  readonly amr: readonly string[];
  readonly authenticatedAt: Date;
  /** What an identity provider says about that; left out for local sign-ins, where it follows from `amr`. */
  readonly proof?: Proof;
  /** ms since the epoch; null when the identity provider sets no end. */
  readonly idpSessionEndsAtMs: number | null;
  readonly idpSubjectKey: string | null;
  readonly idpSession: string | null;
  /** The session this browser had before; it ends, so that an identifier never survives a login (ASVS 7.2.4). */
  readonly replaces: { readonly accountId: string; readonly sessionId: string } | null;
  readonly now: Date;
}

export interface OpenedSession {
  /** For the cookie; stored as a hash only. */
  readonly token: string;
  readonly sessionId: string;
  readonly expiresAt: Date;
}

/** What every session token begins with. */
export const SESSION_PREFIX = 'sp_ses_';
const MAX_USER_AGENT = 512;

/**
 * Opens a session for an active account, in the current epoch. Locks the account against the door.
 * @throws LOGIN_REFUSED when the account is not active
 */
export const openSession = async (tx: AuditedTx, login: OpenSession): Promise<OpenedSession> => {
  const [account, settings] = await Promise.all([
    lockAccountForIssue(tx, tx.orgId, login.accountId),
    findSettings(tx, tx.orgId),
  ]);
  if (account === null || account.status !== 'active') {
    throw new AppError('LOGIN_REFUSED', 'Sign-in was refused.', { metadata: { reason: 'ACCOUNT_INACTIVE' } });
  }
  if (login.replaces !== null) {
    const { accountId, sessionId } = login.replaces;
    await endSessions(tx, { orgId: tx.orgId, accountIds: [accountId], sessionId, cause: 'session.replaced' });
  }
  if (settings === undefined) throw new AppError('NOT_FOUND', 'There is no such organisation.');
  const proof = login.proof ?? { provenAt: login.authenticatedAt, multiFactor: isMultiFactor(login.amr) };
  const token = newSecret(SESSION_PREFIX);
  const session = {
    orgId: tx.orgId,
    id: newId(),
    tokenHash: secretHash(token),
    accountId: account.id,
    connectionId: login.connectionId,
    epochAtIssue: account.epoch,
    method: login.method,
    acr: login.acr,
    amr: login.amr,
    authenticatedAt: login.authenticatedAt,
    provenAt: proof.provenAt,
    multiFactor: proof.multiFactor,
    idpSubjectKey: login.idpSubjectKey,
    idpSession: login.idpSession,
    ip: tx.audit.ip ?? null,
    userAgent: tx.audit.userAgent?.slice(0, MAX_USER_AGENT) ?? null,
    createdAt: login.now,
    expiresAt: expiryOf(login.now, settings.absoluteMinutes, login.idpSessionEndsAtMs),
  };
  await insertSession(tx, session);
  tx.record({
    action: 'session.created',
    target: { type: 'session', id: session.id },
    after: {
      accountId: account.id,
      connectionId: login.connectionId,
      method: login.method,
      acr: login.acr,
      multiFactor: proof.multiFactor,
      epoch: account.epoch,
      expiresAt: session.expiresAt.toISOString(),
      ip: personal(account.id, session.ip),
      ...(login.replaces === null ? {} : { replaced: login.replaces.sessionId }),
    },
  });
  return { token, sessionId: session.id, expiresAt: session.expiresAt };
};
