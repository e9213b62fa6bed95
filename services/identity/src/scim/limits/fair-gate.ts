import { AppError } from '@sallyport/errors';

import { FairScheduler, type SchedulerSettings, type Urgency } from './fair-scheduler.ts';

export interface GateRequest {
  readonly orgId: string;
  readonly urgency: Urgency;
  /** Aborts when nobody waits for the answer any more: work that has not begun is then not begun. */
  readonly signal: AbortSignal;
}

const refused = (): AppError =>
  new AppError('RATE_LIMITED', 'Too many requests of this organisation are waiting.', { retryAfterSeconds: 1 });

export interface GateLoad {
  readonly running: number;
  readonly waiting: number;
}

/** Runs work in the order of a {@link FairScheduler}. */
export class FairGate implements GateLoad {
  readonly #scheduler: FairScheduler<() => void>;

  readonly #onChange: (gate: GateLoad) => void;

  constructor(settings: SchedulerSettings, onChange: (gate: GateLoad) => void = () => undefined) {
    this.#scheduler = new FairScheduler(settings);
    this.#onChange = onChange;
  }

  get running(): number {
    return this.#scheduler.running;
  }

  get waiting(): number {
    return this.#scheduler.waiting;
  }

  /** Called before anything is read of a request: @throws RATE_LIMITED when it would be refused in the end. */
  requireRoom(orgId: string): void {
    if (!this.#scheduler.hasRoom(orgId)) throw refused();
  }

  /**
   * Runs the work when it is its turn; its slot is free again when it has settled.
   *
   * @throws RATE_LIMITED when too many of the organisation wait; the reason of the signal when it aborts before that
   */
  async run<T>({ orgId, urgency, signal }: GateRequest, work: () => Promise<T>): Promise<T> {
    await this.#turn(orgId, urgency, signal);
    try {
      return await work();
    } finally {
      for (const start of this.#scheduler.finish(orgId)) start();
      this.#onChange(this);
    }
  }

  async #turn(orgId: string, urgency: Urgency, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const start = (): void => {
      resolve(undefined);
    };
    const started = this.#scheduler.offer(orgId, urgency, start);
    if (started === undefined) throw refused();
    for (const each of started) each();
    this.#onChange(this);
    if (started.includes(start)) return;
    const onAbort = (): void => {
      if (this.#scheduler.withdraw(orgId, start)) reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }
}
