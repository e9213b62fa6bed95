import { AppError } from '@sallyport/errors';

/** One mail to one person. */
export interface MailMessage {
  readonly to: string;
  /** One line. */
  readonly subject: string;
  readonly text: string;
  readonly html?: string;
}

const MAX_ADDRESS = 254;
const MAX_SUBJECT = 200;

// One address and nothing that means something in a header: no name, no list, no quoting, no control characters.
const LOCAL = /^[\p{L}\p{N}!#$%&'*+/=?^_`{|}~-]+(?:\.[\p{L}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u;
const DOMAIN =
  /^(?=.{1,253}$)[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?(?:\.[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?)*$/u;

/** True for an address mail can be sent to: exactly one, as people write it, without a name (RFC 5321 §4.1.2). */
export const isMailAddress = (text: string): boolean => {
  if (text.length > MAX_ADDRESS) return false;
  const at = text.lastIndexOf('@');
  const local = text.slice(0, Math.max(0, at));
  return local.length <= 64 && LOCAL.test(local) && DOMAIN.test(text.slice(at + 1));
};

// C0 and C1 controls and the Unicode line separators: whatever any program might take for the end of a line.
const hasControls = (text: string): boolean => /[\p{Cc}\u2028\u2029]/u.test(text);

/**
 * Refuses what could become a second recipient or a header of its own.
 * @throws INVALID_VALUE; never with the value in it
 */
export const assertSendable = (message: MailMessage): void => {
  if (!isMailAddress(message.to)) throw new AppError('INVALID_VALUE', 'This is not an address mail can be sent to.');
  if (message.subject === '' || message.subject.length > MAX_SUBJECT || hasControls(message.subject))
    throw new AppError('INVALID_VALUE', 'The subject of a mail is one line.');
};
