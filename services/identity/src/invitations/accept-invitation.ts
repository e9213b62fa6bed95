import type { AuditContext } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { isWellFormedSecret, secretHash } from '@sallyport/storage';

import { createAccount, wasNameOfRemovedAnywhere } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { hashNewPassword, putPasswordHash, readLocalRules } from '../local-login/index.ts';
import type { LoginOrigin } from '../login/index.ts';
import { countedAttempt, resetRules } from '../throttle/index.ts';
import { INVITATION_PREFIX } from './invitation.ts';
import { acceptInvitationRow, findOpenInvitation } from './store.ts';

export interface Acceptance {
  /** The secret of the mail. */
  readonly token: string;
  readonly password: string;
  readonly origin: LoginOrigin;
}

const refused = (): AppError =>
  new AppError('LOGIN_REFUSED', 'This invitation does not work: it was used, taken back, or is too old.');

/**
 * Makes the account of an invitation, with the password its guest chose. It does not sign in: that goes the usual way,
 * second factor and all.
 *
 * 1. The attempt is counted per address. 2. The password is judged before the invitation is used up. 3. In one
 * transaction: local accounts are still on, no directory has removed the guest meanwhile, the invitation is used up, the name is claimed, account and password exist.
 *
 * @throws LOGIN_REFUSED for a secret that does not work, INVALID_VALUE (the password), ALREADY_EXISTS when somebody goes
 *   by the address by now, RATE_LIMITED, UNAVAILABLE
 */
export const acceptInvitation = async (
  context: IdentityContext,
  { token, password, origin }: Acceptance,
): Promise<{ readonly email: string }> => {
  const { db, clock } = context;
  const attempt = await countedAttempt(context, resetRules(origin.ip ?? '')); // 1
  if (!isWellFormedSecret(INVITATION_PREFIX, token)) throw refused();
  const invitation = await db.readAcrossOrganizations('an invitation names no organisation', async (tx) => {
    return await findOpenInvitation(tx, { tokenHash: secretHash(token), now: clock.now() });
  });
  if (invitation === null) throw refused();
  const { orgId, id, email, displayName, orgName } = invitation;
  const passwordHash = await hashNewPassword(context.passwordJudge, password, [email, displayName, orgName]); // 2
  const auditContext: AuditContext = {
    orgId,
    actor: { type: 'anonymous', id: 'anonymous', via: `invitation:${id}` },
    ...origin,
  };
  await context.audit.mutate(auditContext, async (tx) => {
    const rules = await readLocalRules(tx, orgId); // 3
    if (!rules.localAccountsEnabled || (await wasNameOfRemovedAnywhere(tx, { orgId, name: email }))) throw refused();
    const account = await createAccount(tx, context, {
      kind: 'user',
      connectionId: null,
      externalId: null,
      userName: email,
      profile: { ...(displayName === '' ? {} : { displayName }), emails: [{ value: email, primary: true }] },
    });
    const at = clock.now();
    if (!(await acceptInvitationRow(tx, { orgId, id, accountId: account.id, at }))) throw refused();
    await putPasswordHash(tx, { orgId, accountId: account.id, passwordHash, at });
    tx.record({
      action: 'invitation.accepted',
      target: { type: 'invitation', id },
      after: { accountId: account.id, invitedBy: invitation.invitedBy },
    });
  });
  await attempt.succeeded();
  return { email };
};
