/** Why an OpenID Connect login was refused: stable codes for the audit log. The browser sees one page for all of them. */
export type OidcReason =
  | 'DISCOVERY_FAILED'
  | 'ISSUER_MISMATCH'
  | 'STATE_MISSING'
  | 'STATE_UNKNOWN'
  | 'STATE_OTHER_BROWSER'
  | 'STATE_CONSUMED'
  | 'STATE_EXPIRED'
  | 'PROVIDER_REFUSED'
  | 'ANSWER_INVALID'
  | 'ID_TOKEN_MISSING'
  | 'IDP_SESSION_ENDED';

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
