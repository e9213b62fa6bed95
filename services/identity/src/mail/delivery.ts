import { isAppError } from '@sallyport/errors';
import type { Keyring } from '@sallyport/keyring';
import type { Mailer, MailMessage } from '@sallyport/mail';
import type { Clock, Database } from '@sallyport/storage';
import type { Logger } from '@sallyport/telemetry';

import { MAIL_PURPOSE } from './enqueue-mail.ts';
import { claimDueMails, deleteMail, postponeMail, type OutboxMail } from './outbox-store.ts';

const SECOND_MS = 1_000;
const POLL_MS = 5 * SECOND_MS;
/** Longer than a mail server may take to answer. */
const CLAIM_MS = 60 * SECOND_MS;
const FIRST_PAUSE_MS = 5 * SECOND_MS;
const LONGEST_PAUSE_MS = 15 * 60 * SECOND_MS;
const BATCH = 10;

/** Mail of the service. */
export interface MailDelivery {
  /** False: nothing is configured, so nothing may be promised to be sent. */
  readonly isConfigured: boolean;
  /** There is new mail: it is sent at once, by this process or, if it is late, by any. Returns at once. */
  wake(): void;
  /** Sends what is due now; for tests and for the timer. */
  deliverDue(): Promise<void>;
  close(): Promise<void>;
}

export interface DeliveryDependencies {
  readonly db: Database;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Null: no mail. */
  readonly mailer: Mailer | null;
}

/** Pause after so many attempts: 5 s, 20 s, 80 s … at most a quarter of an hour. */
export const pauseAfterMs = (attempts: number): number =>
  Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 4 ** Math.max(0, attempts - 1));

/** Sends the mail of the outbox; one pass at a time in a process, any number of processes. */
export const createMailDelivery = (dependencies: DeliveryDependencies): MailDelivery => {
  const { mailer, logger } = dependencies;
  if (mailer === null) {
    const nothing = async (): Promise<void> => {
      await Promise.resolve();
    };
    return { isConfigured: false, wake: () => undefined, deliverDue: nothing, close: nothing };
  }
  let pass: Promise<void> | null = null;
  let isAskedAgain = false;
  const run = async (): Promise<void> => {
    do {
      isAskedAgain = false;
      await deliver(dependencies, mailer);
    } while (isAskedAgain as boolean);
  };
  const deliverDue = async (): Promise<void> => {
    isAskedAgain = true;
    pass ??= run().finally(() => {
      pass = null;
    });
    await pass;
  };
  const wake = (): void => {
    void deliverDue().catch((error: unknown) => {
      logger.warn({ err: error }, 'mail could not be looked for');
    });
  };
  const timer = setInterval(wake, POLL_MS);
  timer.unref();
  const close = async (): Promise<void> => {
    clearInterval(timer);
    await pass?.catch(() => undefined);
    await mailer.close();
  };
  return { isConfigured: true, wake, deliverDue, close };
};

const deliver = async (dependencies: DeliveryDependencies, mailer: Mailer): Promise<void> => {
  const { db, clock } = dependencies;
  for (;;) {
    const now = clock.now();
    const window = { now, until: new Date(now.getTime() + CLAIM_MS), limit: BATCH };
    const mails = await db.unauditedWrite('all-organizations', 'mail that is due', (tx) => claimDueMails(tx, window));
    for (const mail of mails) await deliverOne(dependencies, mailer, mail);
    if (mails.length < BATCH) return;
  }
};

/** At least once: a process that ends between the mail and the note sends it again. */
const deliverOne = async (
  { db, keyring, clock, logger }: DeliveryDependencies,
  mailer: Mailer,
  mail: OutboxMail,
): Promise<void> => {
  const { orgId, id, kind, attempts } = mail;
  try {
    const plain = keyring.open(orgId, MAIL_PURPOSE, id, mail.sealed).toString('utf8');
    await mailer.send(JSON.parse(plain) as MailMessage);
  } catch (error) {
    const mayTryAgain = isAppError(error) && error.kind.retryable;
    logger.warn({ err: error, mailId: id, kind, attempts }, mayTryAgain ? 'mail is late' : 'mail was given up');
    if (mayTryAgain) {
      const until = new Date(clock.now().getTime() + pauseAfterMs(attempts));
      await db.unauditedWrite(orgId, 'mail to be tried again', (tx) => postponeMail(tx, mail, until));
      return;
    }
  }
  await db.unauditedWrite(orgId, 'mail that was sent or given up', (tx) => deleteMail(tx, mail));
};
