import { randomBytes } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { AppError } from '@sallyport/errors';

import type { Mailer } from './mailer.ts';
import { assertSendable, type MailMessage } from './message.ts';

export interface FileOptions {
  /** Is made when it is not there; only its owner can read it. */
  readonly folder: string;
  readonly from: string;
  readonly clock: { now(): Date };
}

/**
 * Mail into a folder, one file each, for development and tests: `<time>-<random>.eml`, plain text as sent (RFC 5322,
 * UTF-8 unencoded as RFC 6532 allows), so that links can be copied out of it. A file appears when it is complete.
 */
export const createFileMailer = ({ folder, from, clock }: FileOptions): Mailer => ({
  send: async (message: MailMessage) => {
    assertSendable(message);
    const now = clock.now();
    const name = `${now.toISOString().replaceAll(':', '-')}-${randomBytes(4).toString('hex')}`;
    const headers = [
      `From: Sallyport <${from}>`,
      `To: ${message.to}`,
      `Subject: ${message.subject}`,
      `Date: ${now.toUTCString()}`,
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: 8bit',
    ];
    const part = join(folder, `.${name}.part`);
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFile(part, `${headers.join('\n')}\n\n${message.text}\n`, { mode: 0o600, flag: 'wx' });
      await rename(part, join(folder, `${name}.eml`));
    } catch (cause) {
      throw new AppError('UNAVAILABLE', 'The mailbox cannot be written.', { cause });
    }
  },
  close: async () => {
    await Promise.resolve();
  },
});
