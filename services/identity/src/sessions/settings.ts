/** What an organisation asks of sessions. Times in minutes; it may shorten the defaults, never lengthen them. */
export interface SessionSettings {
  /** Unused for so long, a session ends. */
  readonly idleMinutes: number;
  /** Nobody stays signed in longer, whatever they do. */
  readonly absoluteMinutes: number;
  readonly stepUp: StepUpSettings;
}

export interface StepUpSettings {
  /** What needs a recent sign-in; empty: nothing. */
  readonly actions: readonly StepUpAction[];
  /** How long a sign-in is recent. */
  readonly minutes: number;
  /** Whether it must have been with more than one factor. */
  readonly multiFactor: boolean;
  /** Whether tokens, which cannot sign in, may do these things all the same. */
  readonly tokensAllowed: boolean;
}

/** The strictest and the most lenient values (NIST SP 800-63B-4 §2.2.3: an hour, a day). */
export const IDLE_MINUTES = { min: 5, max: 60 } as const;
export const ABSOLUTE_MINUTES = { min: 15, max: 24 * 60 } as const;
export const STEP_UP_MINUTES = { min: 1, max: 15 } as const;

/**
 * What an organisation can demand a recent sign-in for: permissions of the catalogue that change who may do what or what
 * runs in production, and the two things people do about their own credentials. Closed, so that a typo protects nothing
 * only with an error.
 */
export const STEP_UP_ACTIONS = [
  'connection:manage',
  'account:manage',
  'session:manage',
  'client:manage',
  'grant:manage',
  'mapping:manage',
  'audit:export',
  'project:delete',
  'environment:update',
  'environment:delete',
  'key:manage',
  'flag:toggle',
  'flag:target',
  'flag:delete',
  'change:review',
  'change:apply',
  'api-token:create',
] as const;

export type StepUpAction = (typeof STEP_UP_ACTIONS)[number];
