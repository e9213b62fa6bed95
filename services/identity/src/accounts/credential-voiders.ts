import type { WriteTx } from '@sallyport/storage';

/** What the one door asks each kind of credential to do, inside the door's transaction. */
export interface VoidRequest {
  readonly orgId: string;
  /** At most 500. */
  readonly subjectIds: readonly string[];
  /**
   * `account`: access is closed; `security-event`: the account stays, everything issued so far is void;
   * `session`: only what hangs on the one browser session.
   */
  readonly scope: 'account' | 'security-event' | 'session';
  /** Set for scope `session`. */
  readonly sessionId?: string;
  /** Stable cause for the record: `scim.deactivated`, `admin.deactivated`, `connection.disabled` ... */
  readonly cause: string;
}

/**
 * Ends credentials of one kind and answers how many it ended. Runs in the door's transaction: no network, no commit;
 * an exception rolls everything back. Idempotent.
 */
export type VoidCredentials = (tx: WriteTx, request: VoidRequest) => Promise<number>;

/** Every kind of credential an account can hold. A new kind is a new key here, so that the door cannot miss it. */
export interface CredentialVoiders {
  /** Browser sessions and half-finished logins. */
  readonly sessions: VoidCredentials;
  readonly apiTokens: VoidCredentials;
  /** OpenID Provider: grants, codes, access and refresh tokens, interactions, device codes. */
  readonly providerArtifacts: VoidCredentials;
}
