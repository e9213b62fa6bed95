import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import type { Clock } from '@sallyport/storage';

import { acrOf, enrolledFactors, hasSecondFactor, type Amr } from '../factors/index.ts';
import { findPassword, readLocalRules, type LocalRules } from '../local-login/index.ts';
import type { CredentialVoiders } from '../accounts/index.ts';
import { settleReplaced, type ReplacedSession } from '../login/index.ts';
import { lockAccountForIssue, openSession, type LoginMethod, type OpenedSession } from '../sessions/index.ts';

/** Why somebody who proved who they are is not let in all the same; for the record. */
export type LocalRefusal =
  | 'ACCOUNT_INACTIVE'
  | 'EPOCH_RAISED'
  | 'LOCAL_LOGIN_OFF'
  | 'PASSWORD_CHANGED'
  | 'SECOND_FACTOR_MISSING'
  | 'ALREADY_USED';

export const refuseLocally = (reason: LocalRefusal): AppError =>
  new AppError('LOGIN_REFUSED', 'The sign-in details are not right.', { metadata: { reason } });

/** A local sign-in whose proofs were all right when they were looked at. */
export interface LocalProof {
  readonly accountId: string;
  readonly breakGlass: boolean;
  /** The epoch the proofs were looked at in; null where the proof itself knows none (a passkey). */
  readonly epoch: bigint | null;
  readonly method: LoginMethod;
  readonly amr: Amr;
  /** The hash the password was right for; null when there was none in it. */
  readonly passwordHash: string | null;
  readonly replaces: ReplacedSession | null;
}

/**
 * Opens the session of a local account. What was true when the proofs were looked at must still be: 1. what the
 * organisation asks of local accounts, held until the end; 2. the account, locked against the door, in the same epoch;
 * 3. the password; 4. that no second factor is there, or demanded, which was not shown. 5. Whoever was signed in already is
 * signed out of no application by proving it once more: this is how a local account steps up.
 *
 * @throws LOGIN_REFUSED with the reason in its metadata
 */
export const openLocalSession = async (
  tx: AuditedTx,
  { clock, credentialVoiders }: { readonly clock: Pick<Clock, 'now'>; readonly credentialVoiders: CredentialVoiders },
  proof: LocalProof,
): Promise<OpenedSession> => {
  const rules = await readLocalRules(tx, tx.orgId); // 1
  if (!rules.localAccountsEnabled && !proof.breakGlass) throw refuseLocally('LOCAL_LOGIN_OFF');
  await assertStanding(tx, proof); // 2
  await assertProofs(tx, proof, rules); // 3, 4
  const now = clock.now();
  const replaced = proof.replaces?.orgId === tx.orgId ? proof.replaces : null;
  const session = await openSession(tx, {
    accountId: proof.accountId,
    connectionId: null,
    method: proof.method,
    acr: acrOf(proof.amr),
    amr: proof.amr,
    authenticatedAt: now,
    idpSessionEndsAtMs: null,
    idpSubjectKey: null,
    idpSession: null,
    replaces: replaced,
    now,
  });
  const isContinued = replaced?.accountId === proof.accountId;
  await settleReplaced(tx, { credentialVoiders }, { replaced, sessionId: session.sessionId, isContinued }); // 5
  return session;
};

const assertStanding = async (tx: AuditedTx, { accountId, epoch }: LocalProof): Promise<void> => {
  const account = await lockAccountForIssue(tx, tx.orgId, accountId);
  if (account === null || account.status !== 'active' || account.connectionId !== null)
    throw refuseLocally('ACCOUNT_INACTIVE');
  if (epoch !== null && account.epoch !== epoch) throw refuseLocally('EPOCH_RAISED');
};

const assertProofs = async (tx: AuditedTx, proof: LocalProof, rules: LocalRules): Promise<void> => {
  const { accountId, passwordHash, amr } = proof;
  if (passwordHash !== null && (await findPassword(tx, tx.orgId, accountId))?.hash !== passwordHash)
    throw refuseLocally('PASSWORD_CHANGED');
  if (amr.includes('mfa')) return;
  const enrolled = await enrolledFactors(tx, { orgId: tx.orgId, accountId });
  if (rules.secondFactorRequired || hasSecondFactor(enrolled)) throw refuseLocally('SECOND_FACTOR_MISSING');
};
