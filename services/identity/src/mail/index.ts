/**
 * Mail that tells of something that was committed.
 *
 * Owns: the outbox (sealed, in the transaction of what it tells of), sending and trying again. Does not own: what mails
 * say (invitations/, factors/), how mail travels (@sallyport/mail).
 */
export { createMailDelivery, pauseAfterMs, type MailDelivery } from './delivery.ts';
export { enqueueMail, type MailKind } from './enqueue-mail.ts';
export { configuredMailer } from './mailer.ts';
