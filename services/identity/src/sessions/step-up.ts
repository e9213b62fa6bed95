import type { StepUpSettings } from './settings.ts';

/** Authentication methods of our own that are more than a password (RFC 8176 §2). */
const OWN_FACTORS: ReadonlySet<string> = new Set(['mfa', 'otp', 'hwk', 'swk', 'pop']);

/** Whether a local sign-in was with more than one factor. */
export const isMultiFactor = (amr: readonly string[]): boolean => amr.some((method) => OWN_FACTORS.has(method));

/** What a session says about the last time its person was there. */
export interface Proof {
  readonly provenAt: Date | null;
  readonly multiFactor: boolean;
}

/**
 * The actions that are refused to a session until its person signs in once more.
 * A sign-in of the future proves nothing: the clock that said so cannot be trusted with how long ago it was.
 */
export const stepUpDue = (settings: StepUpSettings, proof: Proof, now: Date): readonly string[] => {
  const { provenAt, multiFactor } = proof;
  const ageMs = provenAt === null ? Number.POSITIVE_INFINITY : now.getTime() - provenAt.getTime();
  const isRecent = ageMs >= 0 && ageMs < settings.minutes * 60_000;
  return isRecent && (multiFactor || !settings.multiFactor) ? [] : settings.actions;
};

/** The same for a token: nobody is there to sign in, so these actions are refused, or the organisation lets tokens in. */
export const stepUpDueOfToken = ({ actions, tokensAllowed }: StepUpSettings): readonly string[] =>
  tokensAllowed ? [] : actions;
