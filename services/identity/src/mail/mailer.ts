import { createFileMailer, createSmtpMailer, type Mailer } from '@sallyport/mail';
import type { Clock } from '@sallyport/storage';

import type { IdentityConfig } from '../config.ts';

/** The way mail goes that is configured; null when none is. SMTP wins over a mailbox folder. */
export const configuredMailer = (
  { smtpUrl, mailFrom: from, mailboxDir }: Pick<IdentityConfig, 'smtpUrl' | 'mailFrom' | 'mailboxDir'>,
  clock: Pick<Clock, 'now'>,
): Mailer | null => {
  if (smtpUrl !== undefined) return createSmtpMailer({ url: smtpUrl, from });
  return mailboxDir === undefined ? null : createFileMailer({ folder: mailboxDir, from, clock });
};
