/** Why the development environment could not do what it was asked; each code has one cause a person can act on. */
export type DevEnvironmentErrorCode =
  | 'ALREADY_RUNNING'
  | 'BINARIES_UNUSABLE'
  | 'CHILD_FAILED'
  | 'DATABASE_FAILED'
  | 'INVALID_SETTING'
  | 'NO_UNPRIVILEGED_ACCOUNT'
  | 'PORT_TAKEN'
  | 'SEED_FAILED'
  | 'STATE_DAMAGED'
  | 'TIMED_OUT'
  | 'UNEXPECTED_ANSWER';

/** A failure of the development environment. `message` is one sentence for the person at the terminal. */
export class DevEnvironmentError extends Error {
  override readonly name = 'DevEnvironmentError';
  readonly code: DevEnvironmentErrorCode;

  constructor(code: DevEnvironmentErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
