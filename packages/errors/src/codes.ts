/**
 * The closed registry of error codes. A code is part of the public contract: it never changes its meaning,
 * and one that was published is never reused for something else.
 *
 * `http` is the status of our HTTP surfaces, `grpc` the canonical gRPC code name, `retryable` whether the same
 * request may succeed later without being changed.
 */
export type GrpcCode =
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'UNAUTHENTICATED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DEADLINE_EXCEEDED'
  | 'CANCELLED';

export interface ErrorKind {
  readonly http: number;
  readonly grpc: GrpcCode;
  readonly title: string;
  readonly retryable: boolean;
}

const kind = (http: number, grpc: GrpcCode, title: string, retryable = false): ErrorKind =>
  Object.freeze({ http, grpc, title, retryable });

const registry = {
  // The request itself
  INVALID_REQUEST: kind(400, 'INVALID_ARGUMENT', 'The request is not valid'),
  MALFORMED_JSON: kind(400, 'INVALID_ARGUMENT', 'The body is not valid JSON'),
  EXPIRED_CURSOR: kind(400, 'INVALID_ARGUMENT', 'The cursor has expired'),
  INVALID_COUNT: kind(400, 'INVALID_ARGUMENT', 'The count is not valid'),
  INVALID_CURSOR: kind(400, 'INVALID_ARGUMENT', 'The cursor is not valid'),
  INVALID_FILTER: kind(400, 'INVALID_ARGUMENT', 'The filter is not supported'),
  INVALID_PATH: kind(400, 'INVALID_ARGUMENT', 'The attribute path is not supported'),
  INVALID_VALUE: kind(400, 'INVALID_ARGUMENT', 'A value is not valid'),
  INVALID_SYNTAX: kind(400, 'INVALID_ARGUMENT', 'The request structure is not valid'),
  NO_TARGET: kind(400, 'INVALID_ARGUMENT', 'The path names no target'),
  MUTABILITY: kind(400, 'INVALID_ARGUMENT', 'The attribute may not be changed'),
  TOO_MANY: kind(400, 'INVALID_ARGUMENT', 'Too many items'),
  METHOD_NOT_ALLOWED: kind(405, 'UNIMPLEMENTED', 'The method is not allowed here'),
  NOT_ACCEPTABLE: kind(406, 'INVALID_ARGUMENT', 'No acceptable representation'),
  PAYLOAD_TOO_LARGE: kind(413, 'RESOURCE_EXHAUSTED', 'The body is too large'),
  UNSUPPORTED_MEDIA_TYPE: kind(415, 'INVALID_ARGUMENT', 'The content type is not supported'),
  NOT_IMPLEMENTED: kind(501, 'UNIMPLEMENTED', 'Not implemented'),

  // Who, and may they
  UNAUTHENTICATED: kind(401, 'UNAUTHENTICATED', 'Authentication is required'),
  PERMISSION_DENIED: kind(403, 'PERMISSION_DENIED', 'Not allowed'),
  ORIGIN_MISMATCH: kind(403, 'PERMISSION_DENIED', 'The request came from another origin'),
  CONNECTION_DISABLED: kind(403, 'PERMISSION_DENIED', 'The connection is disabled'),
  LOGIN_REFUSED: kind(403, 'PERMISSION_DENIED', 'Sign-in was refused'),
  SECOND_FACTOR_REQUIRED: kind(403, 'PERMISSION_DENIED', 'A second factor is required'),
  STEP_UP_REQUIRED: kind(403, 'PERMISSION_DENIED', 'A recent sign-in is required'),
  SELF_APPROVAL: kind(403, 'PERMISSION_DENIED', 'Nobody approves their own change'),
  ESCALATION: kind(403, 'PERMISSION_DENIED', 'Nobody grants more than they hold'),

  // State
  NOT_FOUND: kind(404, 'NOT_FOUND', 'Not found'),
  ALREADY_EXISTS: kind(409, 'ALREADY_EXISTS', 'It exists already'),
  CONFLICT: kind(409, 'FAILED_PRECONDITION', 'The current state does not allow this'),
  STALE_BASE: kind(409, 'ABORTED', 'It was changed by someone else meanwhile'),
  HASH_MISMATCH: kind(409, 'ABORTED', 'The approval is for another revision'),
  APPROVAL_REQUIRED: kind(409, 'FAILED_PRECONDITION', 'An approval is required'),
  LAST_OWNER: kind(409, 'FAILED_PRECONDITION', 'An organisation keeps at least one Owner'),
  SEPARATION_OF_DUTIES: kind(409, 'FAILED_PRECONDITION', 'The roles exclude each other'),
  ROLE_IN_USE: kind(409, 'FAILED_PRECONDITION', 'The role is in use'),
  READ_ONLY: kind(409, 'FAILED_PRECONDITION', 'It is managed elsewhere'),
  PRECONDITION_FAILED: kind(412, 'FAILED_PRECONDITION', 'The version does not match'),
  PRECONDITION_REQUIRED: kind(428, 'FAILED_PRECONDITION', 'It has to be said which version is changed'),
  HISTORY_UNAVAILABLE: kind(410, 'OUT_OF_RANGE', 'What decided then is not known any more'),
  RESYNC_REQUIRED: kind(409, 'OUT_OF_RANGE', 'What lies between is no longer known'),
  DECISION_EXPIRED: kind(409, 'ABORTED', 'The decision expired before it took effect', true),

  // Us
  RATE_LIMITED: kind(429, 'RESOURCE_EXHAUSTED', 'Too many requests', true),
  UNAVAILABLE: kind(503, 'UNAVAILABLE', 'Temporarily unavailable', true),
  DECISION_UNAVAILABLE: kind(503, 'UNAVAILABLE', 'No authorisation decision can be had', true),
  DEADLINE_EXCEEDED: kind(504, 'DEADLINE_EXCEEDED', 'It took too long', true),
  CANCELLED: kind(499, 'CANCELLED', 'The caller gave up', true),
  AUDIT_MISSING: kind(500, 'INTERNAL', 'Internal error'),
  INTERNAL: kind(500, 'INTERNAL', 'Internal error'),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof registry;

/** Every code with what it is on each transport; closed, and the source of docs/reference. */
export const ERROR_REGISTRY: Readonly<Record<ErrorCode, ErrorKind>> = Object.freeze(registry);

export const ERROR_CODES: readonly ErrorCode[] = Object.freeze(Object.keys(registry) as ErrorCode[]);

/** True when the text is a code of the registry (own names only; `toString` is not). */
export const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(registry, text);
