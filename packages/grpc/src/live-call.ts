import { AppError } from '@sallyport/errors';
import type { Logger } from '@sallyport/telemetry';

import { monotonicMs } from './clock.ts';
import type { ServerCall } from './service.ts';

export interface LiveCallInit {
  readonly peer: string;
  readonly method: string;
  readonly requestId: string;
  /** ms from now; Infinity for none. */
  readonly deadlineMs: number;
  /** The caller set none, or a later one. */
  readonly isDeadlineOurs: boolean;
  readonly logger: Logger;
}

/** The context of one running call. Signal and logger are made on first use: most calls need neither. */
export class LiveCall implements ServerCall {
  readonly peer: string;
  readonly method: string;
  readonly requestId: string;
  readonly deadlineMs: number;
  readonly isDeadlineOurs: boolean;
  readonly startedAtMs = monotonicMs();
  readonly #baseLogger: Logger;
  #logger: Logger | undefined;
  #controller: AbortController | undefined;
  #reason: AppError | undefined;

  constructor(init: LiveCallInit) {
    this.peer = init.peer;
    this.method = init.method;
    this.requestId = init.requestId;
    this.deadlineMs = init.deadlineMs;
    this.isDeadlineOurs = init.isDeadlineOurs;
    this.#baseLogger = init.logger;
  }

  get logger(): Logger {
    return (this.#logger ??= this.#baseLogger.child({
      requestId: this.requestId,
      method: this.method,
      peer: this.peer,
    }));
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  elapsedMs(): number {
    return monotonicMs() - this.startedAtMs;
  }

  remainingMs(): number {
    return Math.max(0, this.deadlineMs - this.elapsedMs());
  }

  /** The first reason counts. */
  abort(reason: AppError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }

  /** Why grpc-js says the call is over before we answered. */
  cancellation(): AppError {
    return this.remainingMs() <= 0
      ? new AppError('DEADLINE_EXCEEDED', 'The call took too long.')
      : new AppError('CANCELLED', 'The caller is gone.');
  }
}
