import type { GivenProperties } from '../conditions/index.ts';
import type { Asker } from './observer.ts';

/** Why a decision came out as it did. GRANTED is the only one that allows. */
export const REASONS = {
  GRANTED: 'A role you hold permits this.',
  INVALID_REQUEST: 'The question is not well formed.',
  UNKNOWN_ACTION: 'There is no such permission.',
  UNKNOWN_ORGANIZATION: 'There is no such organisation.',
  STANDING_STALE: 'It cannot be told right now who is still active. Try again in a moment.',
  GRANTS_STALE: 'It cannot be told right now who holds which role. Try again in a moment.',
  SUBJECT_UNKNOWN: 'There is no such account.',
  SUBJECT_REVOKED: 'The account is not active, or the sign-in is no longer valid.',
  UNKNOWN_PROJECT: 'There is no such project.',
  UNKNOWN_ENVIRONMENT: 'There is no such environment.',
  EXPLICIT_DENY: 'A rule forbids this, whatever other roles permit.',
  NO_GRANT: 'No role you hold here permits this.',
  GRANT_EXPIRED: 'The role that permitted this has ended.',
  CONDITION_NOT_MET: 'The role that would permit this is held on a condition that is not met.',
  GRANT_NOT_YET_VALID: 'The role that permits this has not begun yet.',
} as const;

export type Reason = keyof typeof REASONS;

/** A question: may this subject do this here? Fields are checked by the decision, not by the type. */
export interface DecisionRequest {
  readonly orgId: string;
  readonly subject: {
    /** "user" or "service_account". */
    readonly type: string;
    readonly id: string;
    /** Epoch of the credential presented; 0 when the asker holds no credential of the subject. */
    readonly epoch: bigint;
  };
  /** A permission of the catalogue. */
  readonly action: string;
  /** Empty project: the organisation; empty environment: the project. */
  readonly projectId: string;
  readonly environmentId: string;
  /** What it acts on, as the caller describes it; only conditions look at it. */
  readonly resource?: { readonly type: string; readonly id: string };
  /** Properties of subject, resource, action and context; only conditions look at them. */
  readonly given?: GivenProperties;
  /** Who wants to know; for the decision log. Absent: recorded as unknown. */
  readonly asker?: Asker;
}

/** The answer, with everything that explains it. */
export interface Decision {
  readonly allowed: boolean;
  readonly reason: Reason;
  /** One sentence that may be shown to the subject: names roles and tiers, never ids of others. */
  readonly explanation: string;
  /** The grant that decided, allowing or denying; null when none did. */
  readonly matchedGrant: string | null;
  readonly matchedRole: string | null;
  readonly standingPosition: bigint;
  readonly grantsRevision: bigint;
  /** `<org>@s<standing position>.g<grants revision>` */
  readonly policyRevision: string;
  /** Whole ms the answer may be acted upon, counted from the moment it was asked for; 0 for a denial. */
  readonly validForMs: number;
}
