/**
 * Answers that have to know of something: whoever has just changed the policy, or was told a revision, hands it over and
 * is never answered from before it. We wait a moment for what is on its way; then the answer is a denial.
 */
import { setTimeout } from 'node:timers/promises';

import type { Clock } from '@sallyport/storage';

import type { DecisionKnowledge } from './check.ts';
import type { Reason } from './decision.ts';

/** ms an answer waits for knowledge that is on its way, within the caller's deadline. */
export const MAX_WAIT_MS = 200;
/** ms of the caller's deadline that are left for the answer itself. */
const ANSWER_MS = 25;
/** ms between two looks at standing, which comes by itself. */
const LOOK_EVERY_MS = 5;

export interface Revision {
  readonly orgId: string;
  readonly standing: bigint;
  readonly grants: bigint;
}

/** An organisation's id is at most 256 characters long, a position or revision 19 digits. */
const FORM = /^(.{1,256})@s(\d{1,19})\.g(\d{1,19})$/su;

/** `<org>@s<standing position>.g<grants revision>`; null for anything else. */
export const readRevision = (token: string): Revision | null => {
  const [, orgId, standing, grants] = FORM.exec(token) ?? [];
  if (orgId === undefined || standing === undefined || grants === undefined) return null;
  return { orgId, standing: BigInt(standing), grants: BigInt(grants) };
};

/** Why it cannot be answered as freshly as asked. */
export type NotFresh = Extract<Reason, 'INVALID_REQUEST' | 'STANDING_STALE' | 'GRANTS_STALE'>;

/** How long somebody waits. */
export interface Patience {
  /** ms left of the caller's deadline; Infinity without one. */
  remainingMs(): number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Null once everything up to the revision is known; at the latest after {@link MAX_WAIT_MS} the reason why not:
 * INVALID_REQUEST for what is not a revision of this organisation.
 */
export type Freshness = (orgId: string, token: string, patience: Patience) => Promise<NotFresh | null>;

export interface FreshnessOptions {
  readonly knowledge: DecisionKnowledge;
  readonly clock: Clock;
  /** Reads the grants again, beginning after this call. */
  readonly refresh: () => Promise<void>;
}

const lag = (
  { knowledge, clock }: FreshnessOptions,
  { orgId, standing, grants }: Revision,
): Exclude<NotFresh, 'INVALID_REQUEST'> | null => {
  const moment = { monotonicMs: clock.monotonicMs(), wallMs: clock.now().getTime() };
  const known = knowledge.look(orgId, moment);
  if ((known.standing?.position ?? 0n) < standing) return 'STANDING_STALE';
  return (known.index?.revision ?? 0n) < grants ? 'GRANTS_STALE' : null;
};

/** Waits for knowledge of one process. */
export const createFreshness =
  (options: FreshnessOptions): Freshness =>
  async (orgId, token, patience) => {
    const wanted = readRevision(token);
    if (wanted === null || wanted.orgId !== orgId) return 'INVALID_REQUEST';
    await options.knowledge.ensure?.(orgId);
    let behind = lag(options, wanted);
    if (behind === null) return null;
    const { clock } = options;
    const untilMs = clock.monotonicMs() + Math.min(MAX_WAIT_MS, patience.remainingMs() - ANSWER_MS);
    const left = (): number => untilMs - clock.monotonicMs();
    // Grants come at our asking, standing comes by itself. What one reading does not bring is not there, unless the
    // organisation has to be loaded for it.
    const grants = options
      .refresh()
      .then(() => options.knowledge.ensure?.(orgId))
      .then(
        () => true,
        () => true,
      );
    while (behind !== null && left() > 0) {
      const isRead = await Promise.race([grants, setTimeout(Math.min(LOOK_EVERY_MS, left()), false)]);
      patience.signal?.throwIfAborted();
      behind = lag(options, wanted);
      if (behind === 'GRANTS_STALE' && isRead) break;
      if (behind === 'STANDING_STALE' && isRead) await setTimeout(Math.max(0, Math.min(LOOK_EVERY_MS, left())));
    }
    return behind;
  };

/** The revision decisions are made by right now; null while none can be made. */
export type CurrentRevision = (orgId: string) => string | null;

export const createCurrentRevision =
  ({ knowledge, clock }: Pick<FreshnessOptions, 'knowledge' | 'clock'>): CurrentRevision =>
  (orgId) => {
    const moment = { monotonicMs: clock.monotonicMs(), wallMs: clock.now().getTime() };
    const { index, standing, standingMs, grantsMs } = knowledge.look(orgId, moment);
    if (index === undefined || standingMs < 1 || grantsMs < 1) return null;
    return `${orgId}@s${String(standing?.position ?? 0n)}.g${String(index.revision)}`;
  };
