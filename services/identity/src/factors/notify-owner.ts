import type { Keyring } from '@sallyport/keyring';
import { isMailAddress } from '@sallyport/mail';
import type { Clock, WriteTx } from '@sallyport/storage';

import { emailsOf, type Account } from '../accounts/index.ts';
import { enqueueMail, type MailDelivery } from '../mail/index.ts';

const DAY_MS = 24 * 60 * 60_000;

export interface NotifyDependencies {
  readonly keyring: Keyring;
  readonly clock: Pick<Clock, 'now'>;
  readonly mail: MailDelivery;
}

/** Where somebody can be written to: the first address of their profile, or a user name that is one. */
export const mailAddressOf = ({ profile, userName }: Pick<Account, 'profile' | 'userName'>): string | null =>
  [...emailsOf(profile), userName].find(isMailAddress) ?? null;

/**
 * Tells somebody that the way they sign in was changed (ASVS 6.3.7), in the transaction that changes it. Whoever has no
 * address, and a deployment without mail, is told nothing. Call `mail.wake()` after the commit.
 * @param what one sentence, like "A passkey was added."
 */
export const notifyOwner = async (
  tx: WriteTx,
  dependencies: NotifyDependencies,
  account: Account,
  what: string,
): Promise<void> => {
  const to = mailAddressOf(account);
  if (to === null || !dependencies.mail.isConfigured) return;
  const now = dependencies.clock.now();
  await enqueueMail(tx, dependencies, {
    orgId: account.orgId,
    kind: 'security-notice',
    message: {
      to,
      subject: 'The way you sign in to Sallyport was changed',
      text: `${what}

When: ${now.toUTCString()}

If this was you, there is nothing to do. If it was not, tell your administrator at once: they can end your sessions and
reset the ways you sign in.`,
    },
    expiresAt: new Date(now.getTime() + DAY_MS),
  });
};
