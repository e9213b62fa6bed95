import { randomInt } from 'node:crypto';

import { newId, type Clock, type Database, type Unlisten } from '@sallyport/storage';
import type { Logger } from '@sallyport/telemetry';

import type { GuardedFetch } from '../outbound/index.ts';
import {
  acknowledgeNotice,
  claimNotices,
  nextNoticeAt,
  postponeNotice,
  type LogoutNotice,
} from './logout-notice-store.ts';

const SECOND_MS = 1_000;
const CHANNEL = 'identity_logout';
/** The longest wait for an answer, and the time until somebody else may try. */
const CLAIM_MS = 30 * SECOND_MS;
const FIRST_PAUSE_MS = SECOND_MS;
const LONGEST_PAUSE_MS = 10 * 60 * SECOND_MS;
/** Applications that are told at the same time. */
const MAX_RECEIVERS = 16;
/** When nothing is known to wait; a notification that got lost costs no more than this. */
const IDLE_MS = 60 * SECOND_MS;
const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const TOKEN_LIFE_S = 120;
const UNREACHABLE = 'unreachable';

/** Signs a token of the provider: our issuer, the key that signs now. */
export type SignToken = (
  claims: Readonly<Record<string, unknown>>,
  header: { readonly typ: string },
) => Promise<string>;

export interface PusherDependencies {
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fetch: GuardedFetch;
  readonly sign: SignToken;
}

/** Pause after so many attempts: 1 s, 2 s, 4 s … at most ten minutes, and up to a quarter more. */
export const pauseAfterMs = (attempts: number): number => {
  const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.max(0, attempts - 1));
  return pause + randomInt(Math.ceil(pause / 4) + 1);
};

/**
 * Tells applications that sessions have ended: woken by the commit that ended them, again and again until they take
 * note or it is of no use any more. Each application has its own queue, which rests while it cannot be reached: those that
 * do not answer keep nobody waiting.
 * Any number of processes share the work. At least once: a notice whose answer got lost is sent again, under a new id.
 * @see OpenID Connect Back-Channel Logout 1.0 §2.5
 */
export class LogoutPusher {
  readonly #dependencies: PusherDependencies;
  readonly #busy = new Map<string, Promise<void>>();
  #unlisten: Unlisten | null = null;
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;
  #isAskedAgain = false;
  #isClosed = false;

  constructor(dependencies: PusherDependencies) {
    this.#dependencies = dependencies;
  }

  /** Listens, and takes up what an earlier process left. */
  async start(): Promise<void> {
    const wake = (): void => {
      this.wake();
    };
    this.#unlisten = await this.#dependencies.db.listen(CHANNEL, wake, wake);
    this.wake();
  }

  /** Waits for what is under way; what is due is left to the next process. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#unlisten?.();
    await this.#looking;
    await Promise.all(this.#busy.values());
  }

  /** Looks for what is due now. Returns at once. */
  wake(): void {
    if (this.#isClosed) return;
    this.#isAskedAgain = true;
    this.#looking ??= this.#lookUntilQuiet().finally(() => {
      this.#looking = null;
      if (this.#isAskedAgain) this.wake();
    });
  }

  async #lookUntilQuiet(): Promise<void> {
    const { logger } = this.#dependencies;
    try {
      while (this.#isAskedAgain && !this.#isClosed) {
        this.#isAskedAgain = false;
        await this.#look();
      }
    } catch (error) {
      this.#isAskedAgain = false;
      logger.warn({ err: error }, 'logout notices could not be looked for');
      this.#wakeIn(SECOND_MS);
    }
  }

  async #look(): Promise<void> {
    const { db, clock } = this.#dependencies;
    const now = clock.now();
    const free = MAX_RECEIVERS - this.#busy.size;
    const window = { now, until: new Date(now.getTime() + CLAIM_MS), busy: [...this.#busy.keys()], limit: free };
    const notices =
      free === 0
        ? []
        : await db.unauditedWrite('all-organizations', 'logout notices that are due', async (tx) => {
            return await claimNotices(tx, window);
          });
    for (const notice of notices) {
      const telling = this.#tell(notice).finally(() => {
        this.#busy.delete(notice.clientId);
        this.wake(); // The next one of this application, if there is one.
      });
      this.#busy.set(notice.clientId, telling);
    }
    const next = await db.readAcrossOrganizations('when the next logout notice is due', async (tx) => {
      return await nextNoticeAt(tx, now);
    });
    const waitMs = next === null ? IDLE_MS : next.getTime() - clock.now().getTime();
    this.#wakeIn(Math.min(IDLE_MS, Math.max(this.#busy.size > 0 ? SECOND_MS : 10, waitMs)));
  }

  #wakeIn(delayMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.wake();
    }, delayMs);
    this.#timer.unref();
  }

  async #tell(notice: LogoutNotice): Promise<void> {
    const { db, clock, logger } = this.#dependencies;
    const status = await this.#post(notice);
    const isAcknowledged = status === '200' || status === '204';
    const { clientId, attempts } = notice;
    if (!isAcknowledged) logger.warn({ clientId, attempts, status }, 'an application did not take note of a logout');
    try {
      await db.unauditedWrite(notice.orgId, 'what became of a logout notice', async (tx) => {
        if (isAcknowledged) await acknowledgeNotice(tx, notice, clock.now());
        else {
          const at = new Date(clock.now().getTime() + pauseAfterMs(attempts));
          await postponeNotice(tx, notice, { status, at, isReachable: status !== UNREACHABLE });
        }
      });
    } catch (error) {
      // It stays claimed for a while and is then sent again.
      logger.warn({ err: error, clientId }, 'what became of a logout notice could not be noted');
    }
  }

  /** The status of the answer, or a word for there being none. */
  async #post({ uri, clientId, accountId, sid }: LogoutNotice): Promise<string> {
    const { fetch, sign, clock } = this.#dependencies;
    const now = Math.floor(clock.now().getTime() / 1000);
    const claims = {
      aud: clientId,
      iat: now,
      exp: now + TOKEN_LIFE_S,
      jti: newId(),
      events: { [EVENT]: {} },
      sub: accountId,
      ...(sid === null ? {} : { sid }),
    };
    try {
      const token = await sign(claims, { typ: 'logout+jwt' });
      const { status } = await fetch(uri, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ logout_token: token }),
      });
      return String(status);
    } catch {
      return UNREACHABLE;
    }
  }
}
