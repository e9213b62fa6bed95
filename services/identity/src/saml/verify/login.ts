/** What the verifier is told and what it answers. Both cross a thread boundary: plain, cloneable values only. */
import type { Refused } from './read-message.ts';

/** What a response must agree with: all of it from our own database, nothing from the wire. */
export interface Expectations {
  readonly idpEntityId: string;
  readonly spEntityId: string;
  /** Our assertion consumer URL of this very connection. */
  readonly acsUrl: string;
  /** PEM, pinned from the stored metadata. */
  readonly certificates: readonly string[];
  readonly requireSignedResponse: boolean;
  readonly requireSignedAssertion: boolean;
  /** IdP-initiated responses. */
  readonly allowUnsolicited: boolean;
  /** How old the person's authentication at the IdP may be; null = as old as it is. */
  readonly maxAuthenticationAgeMs: number | null;
  readonly nowMs: number;
}

export interface NameId {
  readonly value: string;
  /** The URI; unspecified when the IdP names none. */
  readonly format: string;
  readonly nameQualifier: string;
  readonly spNameQualifier: string;
}

/** A login an IdP vouches for. Every field was read from signed bytes. Times in ms since the epoch. */
export interface VerifiedLogin {
  readonly assertionId: string;
  readonly issuer: string;
  readonly nameId: NameId;
  /** Null only in an unsolicited response. */
  readonly inResponseTo: string | null;
  readonly issuedAtMs: number;
  readonly authenticatedAtMs: number;
  /** From here on the assertion is refused everywhere anyway, skew included; replay rows may go then. */
  readonly unusableFromMs: number;
  readonly sessionIndex: string | null;
  readonly sessionNotOnOrAfterMs: number | null;
  readonly authnContextClass: string | null;
  /** Values of equally named attributes are joined in document order; a reader that needs one value must find one. */
  readonly attributes: readonly (readonly [name: string, values: readonly string[]])[];
}

export type Verdict = { readonly ok: true; readonly login: VerifiedLogin } | Refused;

/** Clock difference tolerated between us and an IdP, in both directions. */
export const SKEW_MS = 60_000;
/** Older assertions are refused even when their own window is wider; pending requests do not live longer either. */
export const MAX_ISSUE_AGE_MS = 10 * 60_000;
