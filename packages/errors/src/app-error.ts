import { ERROR_REGISTRY, type ErrorCode, type ErrorKind } from './codes.ts';

/** One offending field: `pointer` is a JSON pointer into the body, or `?name` for a query parameter. */
export interface FieldError {
  readonly pointer: string;
  readonly code: string;
  readonly detail?: string;
}

export interface AppErrorOptions {
  /** Shown to the caller next to the code: no personal data, no secrets. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly fields?: readonly FieldError[];
  /** Logged, never shown. */
  readonly cause?: unknown;
  /** Seconds after which a retry makes sense; becomes `Retry-After` and RetryInfo. */
  readonly retryAfterSeconds?: number;
}

/**
 * A failed command, with a code of the closed registry.
 *
 * `message` is written for the caller and safe to show for codes below 500; renderers replace it by the title for
 * codes of 500 and above. The cause is for the log alone.
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly metadata: Readonly<Record<string, string>>;
  readonly fields: readonly FieldError[];
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, detail: string, options: AppErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.metadata = Object.freeze({ ...options.metadata });
    this.fields = Object.freeze([...(options.fields ?? [])]);
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  /** What the registry says about the code. */
  get kind(): ErrorKind {
    return ERROR_REGISTRY[this.code];
  }
}

/** Whether somebody meant this error to be told; everything else is INTERNAL. */
export const isAppError = (error: unknown): error is AppError => error instanceof AppError;
