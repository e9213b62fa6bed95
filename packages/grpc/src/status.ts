import { Metadata, status as StatusCode, type ServiceError, type StatusObject } from '@grpc/grpc-js';
import { AppError, ERROR_REGISTRY, isAppError, isErrorCode, type ErrorCode, type FieldError } from '@sallyport/errors';
import { BadRequest, ErrorInfo, RetryInfo, Status, type Any } from '@sallyport/proto/google/rpc';

/** Domain of our ErrorInfo: a reason of another domain is not one of our codes. */
export const ERROR_DOMAIN = 'sallyport';

const DETAILS_KEY = 'grpc-status-details-bin';
const TYPE_PREFIX = 'type.googleapis.com/';
const NANOS_PER_SECOND = 1_000_000_000;

// Details travel in HTTP/2 trailers, which peers limit to 16 KiB and more: the parts are bounded well below.
const MAX_MESSAGE_LENGTH = 1_000;
const MAX_METADATA_ENTRIES = 12;
const MAX_VALUE_LENGTH = 200;
const MAX_FIELDS = 12;

/** Text that gRPC can carry: no lone surrogates (encodeURI throws on them), bounded. */
const wireText = (text: string, length = MAX_VALUE_LENGTH): string => text.slice(0, length).toWellFormed();

const pack = (name: string, value: Uint8Array): Any => ({ typeUrl: `${TYPE_PREFIX}google.rpc.${name}`, value });

const detailsOf = (error: AppError): Any[] => {
  const entries = Object.entries(error.metadata).slice(0, MAX_METADATA_ENTRIES);
  const metadata = Object.fromEntries(entries.map(([key, value]) => [wireText(key), wireText(value)]));
  // Whole messages, not fromPartial: that assigns the keys one by one, which a frozen Object.prototype refuses for
  // names such as `toString`.
  const info: ErrorInfo = {
    reason: error.code,
    domain: ERROR_DOMAIN,
    metadata: error.kind.grpc === 'INTERNAL' ? {} : metadata,
  };
  const details = [pack('ErrorInfo', ErrorInfo.encode(info).finish())];
  if (error.fields.length > 0) {
    const fieldViolations = error.fields.slice(0, MAX_FIELDS).map((field) => ({
      field: wireText(field.pointer),
      reason: wireText(field.code),
      description: wireText(field.detail ?? ''),
    }));
    details.push(pack('BadRequest', BadRequest.encode(BadRequest.fromPartial({ fieldViolations })).finish()));
  }
  const { retryAfterSeconds } = error;
  if (retryAfterSeconds !== undefined && Number.isFinite(retryAfterSeconds) && retryAfterSeconds >= 0) {
    const seconds = Math.floor(retryAfterSeconds);
    const nanos = Math.floor((retryAfterSeconds - seconds) * NANOS_PER_SECOND);
    const retry = RetryInfo.fromPartial({ retryDelay: { seconds: BigInt(seconds), nanos } });
    details.push(pack('RetryInfo', RetryInfo.encode(retry).finish()));
  }
  return details;
};

/** An AppError as it is; anything else becomes INTERNAL with the original as cause, which is logged, never sent. */
export const toAppError = (error: unknown): AppError =>
  isAppError(error) ? error : new AppError('INTERNAL', 'Internal error', { cause: error });

/**
 * The one renderer of errors on gRPC: canonical code, a safe message, and in the trailer `google.rpc.Status` with
 * ErrorInfo (reason = registry code, domain `sallyport`), BadRequest for fields and RetryInfo. Codes of 500 and
 * above show their title only, INTERNAL no metadata either.
 */
export const toGrpcStatus = (error: unknown): StatusObject => {
  const appError = toAppError(error);
  const { grpc, http, title } = appError.kind;
  const code = StatusCode[grpc];
  const details = wireText(http >= 500 ? title : appError.message, MAX_MESSAGE_LENGTH);
  const metadata = new Metadata();
  const rich = Status.fromPartial({ code, message: details, details: detailsOf(appError) });
  metadata.set(DETAILS_KEY, Buffer.from(Status.encode(rich).finish()));
  return { code, details, metadata };
};

/** What a bare status means: one that grpc-js itself or a foreign server produced. */
const FALLBACK: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  [StatusCode.CANCELLED]: ['CANCELLED', 'The call was cancelled.'],
  [StatusCode.INVALID_ARGUMENT]: ['INVALID_REQUEST', 'The request is not valid.'],
  [StatusCode.DEADLINE_EXCEEDED]: ['DEADLINE_EXCEEDED', 'The call took too long.'],
  [StatusCode.NOT_FOUND]: ['NOT_FOUND', 'Not found.'],
  [StatusCode.ALREADY_EXISTS]: ['ALREADY_EXISTS', 'It exists already.'],
  [StatusCode.PERMISSION_DENIED]: ['PERMISSION_DENIED', 'Not allowed.'],
  [StatusCode.RESOURCE_EXHAUSTED]: ['PAYLOAD_TOO_LARGE', 'The message or the stream exceeds a limit.'],
  [StatusCode.FAILED_PRECONDITION]: ['CONFLICT', 'The current state does not allow this.'],
  [StatusCode.ABORTED]: ['CONFLICT', 'It was changed meanwhile.'],
  [StatusCode.OUT_OF_RANGE]: ['INVALID_REQUEST', 'The request is not valid.'],
  [StatusCode.UNIMPLEMENTED]: ['NOT_IMPLEMENTED', 'The method is not known.'],
  [StatusCode.UNAVAILABLE]: ['UNAVAILABLE', 'The service cannot be reached.'],
  [StatusCode.UNAUTHENTICATED]: ['UNAUTHENTICATED', 'Authentication is required.'],
};

interface RichDetails {
  readonly info: ErrorInfo;
  readonly fields: readonly FieldError[];
  readonly retryAfterSeconds?: number;
}

const unpack = (details: readonly Any[]): RichDetails | null => {
  const find = (name: string): Uint8Array | undefined =>
    details.find((detail) => detail.typeUrl === `${TYPE_PREFIX}google.rpc.${name}`)?.value;
  const info = find('ErrorInfo');
  if (info === undefined) return null;
  const bad = find('BadRequest');
  const retry = find('RetryInfo');
  const delay = retry === undefined ? undefined : RetryInfo.decode(retry).retryDelay;
  const violations = bad === undefined ? [] : BadRequest.decode(bad).fieldViolations;
  return {
    info: ErrorInfo.decode(info),
    fields: violations.map(({ field, reason, description }) => ({
      pointer: field,
      code: reason,
      ...(description === '' ? {} : { detail: description }),
    })),
    ...(delay === undefined ? {} : { retryAfterSeconds: Number(delay.seconds) + delay.nanos / NANOS_PER_SECOND }),
  };
};

const readDetails = (metadata: Metadata): RichDetails | null => {
  const [bytes] = metadata.get(DETAILS_KEY);
  if (!Buffer.isBuffer(bytes)) return null;
  try {
    return unpack(Status.decode(bytes).details);
  } catch {
    // Damaged details are no details: the canonical code still says what happened.
    return null;
  }
};

const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error && 'code' in error && typeof error.code === 'number' && 'metadata' in error;

/**
 * The AppError a peer sent, or what a bare status means. The status is the cause: its text may hold addresses and is
 * for the log. An AppError passes unchanged; anything that is no status becomes INTERNAL.
 */
export const fromGrpcStatus = (error: unknown): AppError => {
  if (!isServiceError(error)) return toAppError(error);
  const rich = error.metadata instanceof Metadata ? readDetails(error.metadata) : null;
  if (rich !== null && rich.info.domain === ERROR_DOMAIN && isErrorCode(rich.info.reason)) {
    const { reason } = rich.info;
    // A code that does not belong to the canonical one was not rendered by toGrpcStatus: the outer one counts.
    if (StatusCode[ERROR_REGISTRY[reason].grpc] === error.code) {
      return new AppError(reason, error.details, {
        metadata: rich.info.metadata,
        fields: rich.fields,
        cause: error,
        ...(rich.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: rich.retryAfterSeconds }),
      });
    }
  }
  const [code, detail] = FALLBACK[error.code] ?? ['INTERNAL', 'Internal error'];
  return new AppError(code, detail, { cause: error });
};
