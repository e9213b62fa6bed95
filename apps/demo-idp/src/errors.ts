const HTTP_STATUS = {
  ACCESS_DENIED: 403,
  BODY_TOO_LARGE: 413,
  CONFIG_INVALID: 500,
  GROUP_UNKNOWN: 404,
  ORIGIN_MISMATCH: 403,
  PERSON_EXISTS: 409,
  PERSON_INACTIVE: 403,
  PERSON_UNKNOWN: 404,
  REQUEST_MALFORMED: 400,
  SAML_REQUEST_REFUSED: 400,
  SCIM_FAILED: 502,
  STATE_UNREADABLE: 500,
  TARGET_MISSING: 409,
  TARGET_UNREACHABLE: 502,
  UNSUPPORTED_MEDIA_TYPE: 415,
  XML_REFUSED: 400,
} as const;

/** The closed set of reasons this program refuses something for. */
export type DemoIdpErrorCode = keyof typeof HTTP_STATUS;

/** Every expected failure of the demo IdP: a code a script can switch on and a sentence a person can read. */
export class DemoIdpError extends Error {
  readonly code: DemoIdpErrorCode;

  constructor(code: DemoIdpErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DemoIdpError';
    this.code = code;
  }

  /** The HTTP status this failure is answered with. */
  get status(): number {
    return HTTP_STATUS[this.code];
  }
}
