/**
 * Mail: a port, and two ways through it.
 *
 * Owns: what may be sent (one recipient, no header from outside), SMTP, the mailbox of development. Does not own: when
 * mail is sent and tried again, and what it says.
 * @see RFC 5321, RFC 5322
 */
export { createFileMailer, type FileOptions } from './file-mailer.ts';
export type { Mailer } from './mailer.ts';
export { assertSendable, isMailAddress, type MailMessage } from './message.ts';
export { createSmtpMailer, type SmtpOptions } from './smtp-mailer.ts';
