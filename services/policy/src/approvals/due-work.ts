import type { Logger } from '@sallyport/telemetry';

/** Something that becomes due by itself. May run in several replicas at once, and again after it was interrupted. */
export type DueTask = () => Promise<void>;

/** Looks every so often for what has become due. What cannot be done now is tried again the next time. */
export class DueWork {
  readonly #tasks: readonly (readonly [name: string, task: DueTask])[];
  readonly #logger: Logger;
  #running: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(logger: Logger, tasks: Readonly<Record<string, DueTask>>) {
    this.#logger = logger;
    this.#tasks = Object.entries(tasks);
  }

  start(everyMs: number): void {
    this.#timer = setInterval(() => {
      this.run().catch(() => undefined);
    }, everyMs);
    this.#timer.unref();
  }

  /** Looks now, after what is under way; never throws. */
  async run(): Promise<void> {
    this.#running = this.#running.then(async () => {
      for (const [name, task] of this.#tasks)
        await task().catch((error: unknown) => {
          this.#logger.warn({ err: error, task: name }, 'what is due could not be done; it is tried again');
        });
    });
    await this.#running;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}
