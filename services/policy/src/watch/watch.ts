/**
 * The changes of an organisation's policy, as a stream that can be taken up again where it was left. What is told is what
 * this process decides by already. Nothing is left out: where the log does not reach back far enough, whoever resumes is
 * told to read everything anew.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { AppError } from '@sallyport/errors';
import type { Clock, Database } from '@sallyport/storage';

import { REASONS, type DecisionKnowledge, type Freshness } from '../decide/index.ts';
import { MAX_BEHIND, readChangesBetween, type ChangedAt } from './store.ts';

/** ms without a message after which there is one, so that a dead stream is noticed. */
const HEARTBEAT_MS = 5_000;
/** ms between two looks at what is known; a look costs nothing. */
const LOOK_MS = 50;
const MAX_WATCHERS = 256;

/** Everything up to the revision has been told. */
export interface Told {
  readonly revision: string;
  /** Null: nothing happened, the stream is alive. */
  readonly change: (ChangedAt & { readonly standing: false }) | { readonly standing: true } | null;
}

export interface WatchOptions {
  readonly db: Database;
  readonly knowledge: DecisionKnowledge;
  readonly freshness: Freshness;
  readonly clock: Clock;
  /** Default: 5 seconds. */
  readonly heartbeatMs?: number;
}

export interface WatchQuestion {
  readonly orgId: string;
  /** A revision the watcher knows everything up to; empty: from now on. */
  readonly after: string;
  readonly signal: AbortSignal;
}

/**
 * Tells every change until the signal aborts; waits for `tell`.
 *
 * @throws NOT_FOUND, INVALID_REQUEST; RESYNC_REQUIRED when what came after the revision is not all known any more;
 * DECISION_UNAVAILABLE once decisions could not be made either; RATE_LIMITED with too many watchers
 */
export type Watch = (question: WatchQuestion, tell: (told: Told) => Promise<void>) => Promise<void>;

interface Standpoint {
  readonly standing: bigint;
  readonly grants: bigint;
}

const REVISION = /@s(\d+)\.g(\d+)$/u;

const resync = (): AppError =>
  new AppError('RESYNC_REQUIRED', 'What changed since this revision is not all known any more. Read everything anew.');

const unavailable = (reason: 'STANDING_STALE' | 'GRANTS_STALE'): AppError =>
  new AppError('DECISION_UNAVAILABLE', REASONS[reason], { metadata: { reason }, retryAfterSeconds: 1 });

const labelOf = (orgId: string, { standing, grants }: Standpoint): string =>
  `${orgId}@s${String(standing)}.g${String(grants)}`;

class Watcher {
  readonly #options: WatchOptions;
  readonly #question: WatchQuestion;
  readonly #tell: (told: Told) => Promise<void>;
  #at: Standpoint = { standing: 0n, grants: 0n };
  #toldAtMs = 0;

  constructor(options: WatchOptions, question: WatchQuestion, tell: (told: Told) => Promise<void>) {
    this.#options = options;
    this.#question = question;
    this.#tell = tell;
  }

  async run(): Promise<void> {
    const { signal } = this.#question;
    this.#at = await this.#begin();
    await this.#say(null);
    while (!signal.aborted) {
      await this.#advance(await this.#known());
      if (this.#options.clock.monotonicMs() - this.#toldAtMs >= (this.#options.heartbeatMs ?? HEARTBEAT_MS))
        await this.#say(null);
      await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Where the stream begins: now, or at a revision that is not ahead of what is to be known. */
  async #begin(): Promise<Standpoint> {
    const { orgId, after, signal } = this.#question;
    const now = await this.#known();
    if (after === '') return now;
    const [, standing, grants] = REVISION.exec(after) ?? [];
    const stale = await this.#options.freshness(orgId, after, { remainingMs: () => Number.POSITIVE_INFINITY, signal });
    if (stale === 'INVALID_REQUEST' || standing === undefined || grants === undefined)
      throw new AppError('INVALID_REQUEST', 'This is not a revision of this organisation.');
    // Ahead of everything there is: it was told by a database that is no more.
    if (stale !== null) throw resync();
    return { standing: BigInt(standing), grants: BigInt(grants) };
  }

  /** Where decisions are made from. @throws DECISION_UNAVAILABLE while none are made */
  async #known(): Promise<Standpoint> {
    const { knowledge, clock } = this.#options;
    const { orgId } = this.#question;
    await knowledge.ensure?.(orgId);
    const moment = { monotonicMs: clock.monotonicMs(), wallMs: clock.now().getTime() };
    const { index, standing, standingMs, grantsMs } = knowledge.look(orgId, moment);
    if (standingMs < 1) throw unavailable('STANDING_STALE');
    if (grantsMs < 1) throw unavailable('GRANTS_STALE');
    if (index === undefined) throw new AppError('NOT_FOUND', 'There is no such organisation.');
    return { standing: standing?.position ?? 0n, grants: index.revision };
  }

  /** Tells what lies between here and what is known. */
  async #advance(known: Standpoint): Promise<void> {
    if (known.grants < this.#at.grants || known.standing < this.#at.standing) throw resync();
    if (known.grants > this.#at.grants) {
      for (const change of await this.#changesUpTo(known.grants)) {
        this.#at = { ...this.#at, grants: change.revision };
        await this.#say({ ...change, standing: false });
      }
    }
    if (known.standing > this.#at.standing) {
      this.#at = { ...this.#at, standing: known.standing };
      await this.#say({ standing: true });
    }
  }

  async #changesUpTo(until: bigint): Promise<readonly ChangedAt[]> {
    const { orgId } = this.#question;
    const after = this.#at.grants;
    if (until - after > MAX_BEHIND) throw resync();
    const range = { after, until };
    const changes = await this.#options.db.read(orgId, async (tx) => await readChangesBetween(tx, orgId, range));
    if (changes === null) throw resync();
    return changes;
  }

  async #say(change: Told['change']): Promise<void> {
    await this.#tell({ revision: labelOf(this.#question.orgId, this.#at), change });
    this.#toldAtMs = this.#options.clock.monotonicMs();
  }
}

/** Watches for one process. */
export const createWatch = (options: WatchOptions): Watch => {
  let watchers = 0;
  return async (question, tell) => {
    if (watchers >= MAX_WATCHERS)
      throw new AppError('RATE_LIMITED', 'Too many watch already.', { retryAfterSeconds: 5 });
    watchers += 1;
    try {
      await new Watcher(options, question, tell).run();
    } finally {
      watchers -= 1;
    }
  };
};
