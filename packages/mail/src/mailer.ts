import type { MailMessage } from './message.ts';

/** Sends mail. What is behind it (SMTP, a folder) nobody else knows. */
export interface Mailer {
  /**
   * Returns when the next hop has taken the mail over.
   * @throws INVALID_VALUE for a message that must not be sent; UNAVAILABLE when it may be tried again, INTERNAL when the
   *   server refuses it for good. Neither holds the address or the content.
   */
  send(message: MailMessage): Promise<void>;
  close(): Promise<void>;
}
