/** What the exit code of every command means; documented in docs/cli.md. */
export const EXIT = {
  ok: 0,
  /** Something went wrong that none of the others says. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** Not logged in, or the token is not valid any more. */
  unauthenticated: 3,
  /** Not allowed; for `check`: the decision is deny. */
  denied: 4,
  notFound: 5,
  /** The state does not allow it: exists already, changed meanwhile, last Owner … */
  conflict: 6,
  /** The server cannot be reached or is not ready. */
  unavailable: 7,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A failure with its exit code and a sentence; `hint` says what to do about it. */
export class CliError extends TypeError {
  readonly exitCode: ExitCode;
  readonly hint: string | undefined;
  /** The problem+json body, for --json. */
  readonly problem: Readonly<Record<string, unknown>> | undefined;

  constructor(
    exitCode: ExitCode,
    message: string,
    more: { readonly hint?: string | undefined; readonly problem?: Record<string, unknown> } = {},
  ) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
    this.hint = more.hint;
    this.problem = more.problem;
  }
}
