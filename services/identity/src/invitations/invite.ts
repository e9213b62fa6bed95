import { personal } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { isMailAddress } from '@sallyport/mail';
import { newId, newSecret, secretHash } from '@sallyport/storage';

import { findAccountByUserName, foldCase, wasNameOfRemovedAnywhere } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { readLocalRules } from '../local-login/index.ts';
import { fence, type Authorized } from '../login/index.ts';
import { enqueueMail } from '../mail/index.ts';
import { findOrganization } from '../organizations/index.ts';
import { INVITATION_LIFE_MS, INVITATION_PREFIX, type Invitation } from './invitation.ts';
import { insertInvitation, isInvitedAlready, revokeExpiredInvitations, revokeInvitation } from './store.ts';

const conflict = (detail: string): AppError => new AppError('CONFLICT', detail);

/**
 * Invites an address into a local account. The secret goes by mail and nowhere else: not into the answer, so that who
 * invites cannot become who is invited. The account is made when the invitation is accepted.
 *
 * @throws CONFLICT when local accounts are switched off, mail is not set up, the address is invited already, or is that of
 *   somebody a directory has removed;
 *   ALREADY_EXISTS when somebody of the organisation goes by it; INVALID_VALUE
 */
export const invite = async (
  context: IdentityContext,
  who: Authorized,
  guest: { readonly email: string; readonly displayName: string },
): Promise<Invitation> => {
  if (!isMailAddress(guest.email))
    throw new AppError('INVALID_VALUE', 'This is not an address mail can be sent to.', {
      fields: [{ pointer: '/email', code: 'format' }],
    });
  if (!context.mail.isConfigured) throw conflict('Nobody can be invited: mail is not set up.');
  const { orgId } = who.audit;
  const token = newSecret(INVITATION_PREFIX);
  const emailKey = foldCase(guest.email);
  const createdAt = context.clock.now();
  const invitation = {
    orgId,
    id: newId(),
    email: guest.email,
    displayName: guest.displayName,
    invitedBy: who.audit.actor.id,
    createdAt,
    expiresAt: new Date(createdAt.getTime() + INVITATION_LIFE_MS),
  };
  await context.audit
    .mutate(who.audit, async (tx) => {
      fence(tx, who);
      const rules = await readLocalRules(tx, orgId);
      if (!rules.localAccountsEnabled) throw conflict('Local accounts are switched off.');
      if ((await findAccountByUserName(tx, orgId, guest.email)) !== undefined)
        throw new AppError('ALREADY_EXISTS', 'Somebody of this organisation goes by this address.');
      // Whom a directory removed, only a directory brings back.
      if (await wasNameOfRemovedAnywhere(tx, { orgId, name: guest.email }))
        throw conflict('A directory has removed whoever goes by this address: only a directory brings them back.');
      await revokeExpiredInvitations(tx, { orgId, emailKey, now: createdAt });
      await insertInvitation(tx, { ...invitation, tokenHash: secretHash(token), emailKey });
      const organization = await findOrganization(tx, orgId);
      await enqueueMail(tx, context, {
        orgId,
        kind: 'invitation',
        message: messageOf(context.config.publicOrigin, { ...invitation, token }, organization?.displayName ?? ''),
        expiresAt: invitation.expiresAt,
      });
      tx.record({
        action: 'invitation.created',
        target: { type: 'invitation', id: invitation.id },
        // Of the invitation's own: there is no account yet whose data this would be.
        after: { email: personal(invitation.id, guest.email), expiresAt: invitation.expiresAt.toISOString() },
      });
    })
    .catch((error: unknown) => {
      throw isInvitedAlready(error) ? conflict('This address is invited already.') : error;
    });
  context.mail.wake();
  return { ...invitation, acceptedAt: null, accountId: null, revokedAt: null };
};

const messageOf = (
  publicOrigin: string,
  { email, token, expiresAt }: { readonly email: string; readonly token: string; readonly expiresAt: Date },
  organization: string,
) => ({
  to: email,
  subject: 'You are invited to Sallyport',
  text: `You are invited to the Sallyport of ${organization}.

Open this to choose how you will sign in:

${publicOrigin}/login/invitation#${token}

If the link does not open, go to ${publicOrigin}/login/invitation and paste this code:

${token}

It works once, until ${expiresAt.toUTCString()}. If you did not expect it, ignore it: nothing happens.`,
});

/** @throws NOT_FOUND when there is no such invitation, or it was accepted or taken back */
export const takeBackInvitation = async (context: IdentityContext, who: Authorized, id: string): Promise<void> => {
  await context.audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    const revoked = await revokeInvitation(tx, { orgId: who.audit.orgId, id, at: context.clock.now() });
    if (revoked === null) throw new AppError('NOT_FOUND', 'There is no such open invitation.');
    tx.record({
      action: 'invitation.revoked',
      target: { type: 'invitation', id },
      before: { email: personal(id, revoked.email) },
    });
  });
};
