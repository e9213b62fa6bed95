/** What the verifier of logout messages is told and what it answers; plain, cloneable values (see login.ts). */
import type { NameId } from './login.ts';
import type { Refused } from './read-message.ts';

/** A logout message as it arrived. */
export type SentLogout =
  | { readonly binding: 'post'; readonly kind: LogoutKind; readonly message: string }
  /** The query string exactly as the browser sent it: the signature is over its octets. */
  | { readonly binding: 'redirect'; readonly rawQuery: string };

export type LogoutKind = 'LogoutRequest' | 'LogoutResponse';

/** What a logout message must agree with: all of it from our own database. */
export interface LogoutExpectations {
  readonly idpEntityId: string;
  /** Our single-logout URL of this very connection. */
  readonly sloUrl: string;
  /** PEM, pinned from the stored metadata. */
  readonly certificates: readonly string[];
  readonly nowMs: number;
}

/** The IdP asks us to end sessions. Every field was covered by its signature. */
export interface VerifiedLogoutRequest {
  readonly kind: 'LogoutRequest';
  readonly id: string;
  readonly issuer: string;
  readonly nameId: NameId;
  /** None = every session of that name. */
  readonly sessionIndexes: readonly string[];
  /** From here on the request is refused everywhere anyway; its replay row may go then. */
  readonly unusableFromMs: number;
}

/** The IdP answers a request of ours. */
export interface VerifiedLogoutResponse {
  readonly kind: 'LogoutResponse';
  readonly inResponseTo: string;
  readonly outcome: 'success' | 'partial' | 'failed';
}

export type LogoutVerdict =
  | {
      readonly ok: true;
      readonly logout: VerifiedLogoutRequest | VerifiedLogoutResponse;
      /** Signed, from the redirect binding only; null in the POST binding, where no signature covers it. */
      readonly relayState: string | null;
    }
  | Refused;
