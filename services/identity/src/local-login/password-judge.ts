import { Worker } from 'node:worker_threads';

import { AppError } from '@sallyport/errors';

import type { JudgeAnswer, JudgeJob } from './judge-thread.ts';
import type { BcryptVerifier } from './password.ts';

/** Judges passwords off the event loop. */
export interface PasswordJudge extends BcryptVerifier {
  /**
   * How many guesses somebody who knows `context` (names, addresses) would need, as a power of ten.
   * @throws UNAVAILABLE when the thread is overloaded or took too long
   */
  guessesLog10(password: string, context: readonly string[]): Promise<number>;
  close(): Promise<void>;
}

/** ms for one job, the start of the thread included. */
const DEADLINE_MS = 5_000;
/** ms without a job after which the thread ends: its word lists are tens of megabytes. */
const IDLE_MS = 60_000;
const MAX_WAITING = 32;
const THREAD_FILE = new URL('./judge-thread.ts', import.meta.url);
const LIMITS = { maxOldGenerationSizeMb: 192, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 };

const overloaded = (): AppError => new AppError('UNAVAILABLE', 'Passwords cannot be judged right now. Try again.');

/** One thread, started with the first job and ended when it has nothing to do; one job at a time. */
export class ThreadedPasswordJudge implements PasswordJudge {
  #thread: Worker | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #current: PromiseWithResolvers<JudgeAnswer> | null = null;
  #idle: NodeJS.Timeout | undefined;

  async guessesLog10(password: string, context: readonly string[]): Promise<number> {
    const answer = await this.#ask({ kind: 'guesses', password, context });
    return 'guessesLog10' in answer ? answer.guessesLog10 : 0;
  }

  async verifyBcrypt(password: string, stored: string): Promise<boolean> {
    const answer = await this.#ask({ kind: 'bcrypt', password, stored });
    return 'isRight' in answer && answer.isRight;
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const thread = this.#thread;
    this.#thread = null;
    this.#current?.reject(overloaded());
    await thread?.terminate();
  }

  async #ask(job: JudgeJob): Promise<JudgeAnswer> {
    if (this.#waiting >= MAX_WAITING) throw overloaded();
    this.#waiting += 1;
    const mine = this.#turn.then(() => this.#run(job));
    this.#turn = mine.catch(() => undefined);
    return await mine.finally(() => {
      this.#waiting -= 1;
    });
  }

  async #run(job: JudgeJob): Promise<JudgeAnswer> {
    clearTimeout(this.#idle);
    const current = Promise.withResolvers<JudgeAnswer>();
    this.#current = current;
    const timer = setTimeout(() => {
      current.reject(overloaded());
      void this.close().catch(() => undefined); // Ended in the middle of its work: the next job gets a new one.
    }, DEADLINE_MS);
    this.#thread ??= this.#startThread();
    this.#thread.postMessage(job, []);
    try {
      return await current.promise;
    } finally {
      this.#current = null;
      clearTimeout(timer);
      this.#idle = setTimeout(() => void this.close().catch(() => undefined), IDLE_MS);
      this.#idle.unref();
    }
  }

  #startThread(): Worker {
    const thread = new Worker(THREAD_FILE, { env: {}, execArgv: [], resourceLimits: LIMITS });
    thread.unref();
    thread.on('message', (answer: JudgeAnswer) => this.#current?.resolve(answer));
    // The exit event follows every error; it settles what was under way.
    thread.on('error', () => undefined);
    thread.on('exit', () => {
      if (this.#thread !== thread) return;
      this.#thread = null;
      this.#current?.reject(overloaded());
    });
    return thread;
  }
}
