/** Why an OpenID Connect login or logout was refused: stable codes for the audit log. The browser sees one page for all. */
export type OidcReason =
  | 'DISCOVERY_FAILED'
  | 'ISSUER_MISMATCH'
  | 'ISSUER_MISSING'
  | 'STATE_MISSING'
  | 'STATE_UNKNOWN'
  | 'STATE_OTHER_BROWSER'
  | 'STATE_CONSUMED'
  | 'STATE_EXPIRED'
  | 'PROVIDER_REFUSED'
  | 'ANSWER_INVALID'
  | 'ID_TOKEN_MISSING'
  | 'KEYS_UNAVAILABLE'
  | 'KEY_UNKNOWN'
  | 'ALGORITHM_REFUSED'
  | 'SIGNATURE_INVALID'
  | 'TOKEN_MALFORMED'
  | 'TOKEN_TYPE_WRONG'
  | 'AUDIENCE_UNTRUSTED'
  | 'AUTHORIZED_PARTY_WRONG'
  | 'ISSUED_IN_FUTURE'
  | 'ISSUED_TOO_LONG_AGO'
  | 'EXPIRED'
  | 'ACCESS_TOKEN_HASH_WRONG'
  | 'AUTH_TIME_MISSING'
  | 'AUTH_TIME_IN_FUTURE'
  | 'LOGIN_TOO_OLD'
  | 'ACR_INSUFFICIENT'
  | 'USERINFO_INVALID'
  | 'IDP_SESSION_ENDED'
  | 'LOGOUT_EVENT_MISSING'
  | 'LOGOUT_NONCE_PRESENT'
  | 'LOGOUT_SUBJECT_MISSING'
  | 'LOGOUT_ID_MISSING'
  | 'LOGOUT_REPLAYED';

/** A refusal on the way to a verified login. `where` is a code of the library or protocol, never text from the wire. */
export class OidcRefusal extends Error {
  readonly reason: OidcReason;
  readonly where: string | null;

  constructor(reason: OidcReason, where: string | null = null) {
    super(reason);
    this.name = 'OidcRefusal';
    this.reason = reason;
    this.where = where;
  }
}
