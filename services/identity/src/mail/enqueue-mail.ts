import type { Keyring } from '@sallyport/keyring';
import { assertSendable, type MailMessage } from '@sallyport/mail';
import { newId, type Clock, type WriteTx } from '@sallyport/storage';

import { insertMail } from './outbox-store.ts';

/** What a mail is about, for metrics and logs; never who it is for. */
export type MailKind = 'invitation' | 'password-reset' | 'security-notice';

export const MAIL_PURPOSE = 'mail-outbox';

/**
 * Writes a mail in the caller's transaction; it is sent if that commits, tried again until it expires. Call
 * `mail.wake()` after the commit.
 *
 * @param mail.expiresAt after it nobody needs the mail any more
 * @throws INVALID_VALUE for what must not be sent
 */
export const enqueueMail = async (
  tx: WriteTx,
  { keyring, clock }: { readonly keyring: Keyring; readonly clock: Pick<Clock, 'now'> },
  mail: { readonly orgId: string; readonly kind: MailKind; readonly message: MailMessage; readonly expiresAt: Date },
): Promise<void> => {
  assertSendable(mail.message);
  const id = newId();
  const plain = Buffer.from(JSON.stringify(mail.message), 'utf8');
  const sealed = keyring.seal(mail.orgId, MAIL_PURPOSE, id, plain);
  await insertMail(tx, { orgId: mail.orgId, id, kind: mail.kind, sealed, at: clock.now(), expiresAt: mail.expiresAt });
};
