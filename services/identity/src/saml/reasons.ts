/**
 * Why a SAML login or logout was refused: a closed list of stable codes, for the audit log, the connection's trace and tests.
 * The person at the browser always sees one and the same page, whichever of these it was.
 */
export const SAML_REASONS = [
  // Bytes and characters, before anything is a document
  'MESSAGE_MISSING',
  'MESSAGE_TOO_LARGE',
  'BASE64_MALFORMED',
  'DEFLATE_MALFORMED',
  'PARAMETER_REPEATED',
  'PARAMETER_UNSUPPORTED',
  'ENCODING_NOT_UTF8',
  // The XML subset
  'XML_MALFORMED',
  'DOCTYPE_FORBIDDEN',
  'PROCESSING_INSTRUCTION_FORBIDDEN',
  'COMMENT_FORBIDDEN',
  'CDATA_FORBIDDEN',
  'ENTITY_FORBIDDEN',
  'NAMESPACE_INVALID',
  'TOO_MANY_ELEMENTS',
  'TOO_DEEP',
  'TOO_MANY_ATTRIBUTES',
  'TOO_MANY_NAMESPACES',
  // The structural allow-list
  'ROOT_NOT_RESPONSE',
  'ROOT_NOT_LOGOUT',
  'VERSION_UNSUPPORTED',
  'ELEMENT_FORBIDDEN',
  'ELEMENT_MISSING',
  'ELEMENT_REPEATED',
  'ATTRIBUTE_FORBIDDEN',
  'ATTRIBUTE_MISSING',
  'TEXT_FORBIDDEN',
  'ID_MALFORMED',
  'ID_DUPLICATE',
  'ASSERTION_MISSING',
  'ASSERTION_MULTIPLE',
  'TOO_MANY_VALUES',
  // Encryption
  'DECRYPTION_KEY_MISSING',
  'ENCRYPTION_ALGORITHM_FORBIDDEN',
  'KEY_TRANSPORT_FORBIDDEN',
  'DECRYPTION_FAILED',
  // Signatures
  'NO_USABLE_CERTIFICATE',
  'SIGNATURE_MISSING',
  'RESPONSE_NOT_SIGNED',
  'ASSERTION_NOT_SIGNED',
  'SIGNATURE_ALGORITHM_FORBIDDEN',
  'DIGEST_ALGORITHM_FORBIDDEN',
  'CANONICALIZATION_FORBIDDEN',
  'TRANSFORM_FORBIDDEN',
  'REFERENCE_INVALID',
  'DIGEST_MISMATCH',
  'SIGNATURE_INVALID',
  // What the signed bytes say
  'STATUS_NOT_SUCCESS',
  'ISSUER_MISSING',
  'ISSUER_MISMATCH',
  'DESTINATION_MISSING',
  'DESTINATION_MISMATCH',
  'TIME_MALFORMED',
  'ISSUED_IN_FUTURE',
  'ISSUED_TOO_LONG_AGO',
  'CONDITIONS_MISSING',
  'NOT_YET_VALID',
  'EXPIRED',
  'AUDIENCE_MISSING',
  'AUDIENCE_MISMATCH',
  'CONFIRMATION_METHOD_FORBIDDEN',
  'CONFIRMATION_INCOMPLETE',
  'CONFIRMATION_EXPIRED',
  'RECIPIENT_MISMATCH',
  'NAME_ID_INVALID',
  'NAME_ID_TRANSIENT',
  'SESSION_INDEX_INVALID',
  'AUTHENTICATION_TOO_OLD',
  'IDP_SESSION_ENDED',
  'IN_RESPONSE_TO_CONFLICT',
  // Correlation with what we asked for
  'UNSOLICITED_FORBIDDEN',
  'REQUEST_UNKNOWN',
  'REQUEST_OTHER_BROWSER',
  'REQUEST_CONSUMED',
  'REQUEST_EXPIRED',
  'RELAY_STATE_MISMATCH',
  'RELAY_STATE_TOO_LONG',
  'ISSUED_BEFORE_REQUEST',
  'ASSERTION_REPLAYED',
  'LOGOUT_REPLAYED',
  // Ourselves
  'CONNECTION_UNUSABLE',
  'VERIFIER_BUSY',
  'VERIFIER_DEADLINE',
  'VERIFIER_CRASHED',
] as const;

export type SamlReason = (typeof SAML_REASONS)[number];

/** A refusal inside the verifier: thrown by checks, turned into a value at its door ({@link refusalOf}). */
export class SamlRefusal extends Error {
  readonly reason: SamlReason;
  /** For the trace of the connection's administrator: element names and limits, never values from the message. */
  readonly where: string | null;

  constructor(reason: SamlReason, where: string | null = null) {
    super(reason);
    this.name = 'SamlRefusal';
    this.reason = reason;
    this.where = where;
  }
}

/** Ends the check with a refusal. @throws SamlRefusal always */
export function refuse(reason: SamlReason, where: string | null = null): never {
  throw new SamlRefusal(reason, where);
}
