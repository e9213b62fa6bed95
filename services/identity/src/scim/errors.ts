import { ERROR_REGISTRY, type ErrorCode } from '@sallyport/errors';
import type { ErrorRenderer } from '@sallyport/http';

export const ERROR_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:Error';

/** RFC 7644 §3.12, table 9: only these words, and only with 400 and 409. */
const SCIM_TYPES: Readonly<Partial<Record<ErrorCode, string>>> = {
  INVALID_FILTER: 'invalidFilter',
  TOO_MANY: 'tooMany',
  ALREADY_EXISTS: 'uniqueness',
  // "not compatible with the target attribute's … current state"
  LAST_OWNER: 'mutability',
  MUTABILITY: 'mutability',
  INVALID_SYNTAX: 'invalidSyntax',
  INVALID_REQUEST: 'invalidSyntax',
  MALFORMED_JSON: 'invalidSyntax',
  INVALID_PATH: 'invalidPath',
  NO_TARGET: 'noTarget',
  INVALID_VALUE: 'invalidValue',
  // RFC 9865 §2.4
  EXPIRED_CURSOR: 'expiredCursor',
  INVALID_COUNT: 'invalidCount',
  INVALID_CURSOR: 'invalidCursor',
};

/**
 * The SCIM error body, on every status: `status` is a string; nothing internal leaves with a 5xx.
 *
 * @see RFC 7644 §3.12
 */
export const renderScimError: ErrorRenderer = (error, { status, opaque }) => {
  const scimType = SCIM_TYPES[error.code];
  const detail = opaque ? ERROR_REGISTRY[error.code].title : error.message;
  return {
    status,
    body: { schemas: [ERROR_SCHEMA], status: String(status), ...(scimType === undefined ? {} : { scimType }), detail },
    headers: { 'content-type': 'application/scim+json; charset=utf-8' },
  };
};
