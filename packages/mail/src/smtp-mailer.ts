import { AppError } from '@sallyport/errors';
import { createTransport } from 'nodemailer';

import type { Mailer } from './mailer.ts';
import { assertSendable, type MailMessage } from './message.ts';

export interface SmtpOptions {
  /** `smtp://` (STARTTLS is demanded unless the host is this machine) or `smtps://`, with user and password if needed. */
  readonly url: string;
  /** Address mail comes from. */
  readonly from: string;
}

const SECOND_MS = 1_000;
const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

interface SmtpFailure {
  readonly code?: unknown;
  readonly responseCode?: unknown;
}

/** RFC 5321 §4.2.1: 5yz is a refusal for good; a refused log-in is our own trouble and may pass. */
const isFinal = ({ code, responseCode }: SmtpFailure): boolean =>
  typeof responseCode === 'number' && responseCode >= 500 && responseCode < 600 && code !== 'EAUTH';

/** The reply code of the server, or what kept us from getting one. */
const kindOf = ({ responseCode, code }: SmtpFailure): string => {
  if (typeof responseCode === 'number') return String(responseCode);
  return typeof code === 'string' ? code : 'unknown';
};

const decoded = (text: string): string => decodeURIComponent(text);

/** Mail through an SMTP server, over a few connections that are kept. @see RFC 5321, RFC 3207, RFC 8314 */
export const createSmtpMailer = (options: SmtpOptions): Mailer => {
  const url = new URL(options.url);
  const secure = url.protocol === 'smtps:';
  const transport = createTransport({
    pool: true,
    maxConnections: 2,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (secure ? 465 : 587) : Number(url.port),
    secure,
    requireTLS: !secure && !LOOPBACK.has(url.hostname),
    ...(url.username === '' ? {} : { auth: { user: decoded(url.username), pass: decoded(url.password) } }),
    connectionTimeout: 10 * SECOND_MS,
    greetingTimeout: 10 * SECOND_MS,
    socketTimeout: 20 * SECOND_MS,
    // A message is text: nothing in it makes us read a file or an address.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    send: async (message: MailMessage) => {
      assertSendable(message);
      const { to, subject, text, html } = message;
      try {
        await transport.sendMail({
          // Objects, so that nothing in an address is parsed into several.
          from: { name: 'Sallyport', address: options.from },
          to: { name: '', address: to },
          subject,
          text,
          ...(html === undefined ? {} : { html }),
          headers: { 'Auto-Submitted': 'auto-generated' },
        });
      } catch (error) {
        // What servers say may repeat the address; only its kind goes on.
        const failure = error as SmtpFailure;
        const metadata = { smtp: kindOf(failure) };
        throw isFinal(failure)
          ? new AppError('INTERNAL', 'The mail server refuses this mail.', { metadata })
          : new AppError('UNAVAILABLE', 'The mail server does not take mail right now.', { metadata });
      }
    },
    close: async () => {
      transport.close();
      await Promise.resolve();
    },
  };
};
