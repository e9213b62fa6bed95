/**
 * A small pool of verifier threads, so that the thread that serves sessions, SCIM and OIDC never parses SAML.
 *
 * Owns: the deadline of one verification, bounded waiting per connection, replacing threads that died or were ended.
 * Does not own: what is verified.
 */
import { Worker } from 'node:worker_threads';

import type { MetadataReading, MetadataTrust } from '../metadata/idp-metadata.ts';
import type { SamlReason } from '../reasons.ts';
import type { Expectations, Verdict } from '../verify/login.ts';
import type { LogoutExpectations, LogoutVerdict, SentLogout } from '../verify/logout.ts';
import type { Refused } from '../verify/read-message.ts';
import type { AnyVerdict, VerificationJob, WorkerAnswer, WorkerData } from './worker.ts';

const WORKER_FILE = new URL('./worker.ts', import.meta.url);
const MIB = { old: 64, young: 16, stack: 2 };

export interface VerifierOptions {
  /** Threads; default 2. */
  readonly threads?: number;
  /**
   * ms of CPU time a verification may take once a thread has it; default 200. A thread that computes has used them up
   * after as much time. One that is not let compute, because the machine is busy, is given up to five times that: what
   * others do to the machine says nothing about a message.
   */
  readonly deadlineMs?: number;
  /** Messages of one connection that may be under way or waiting; default 16. Beyond that: VERIFIER_BUSY. */
  readonly maxPerConnection?: number;
  /** ms after which a message that no thread took is refused; default 2000. */
  readonly maxWaitMs?: number;
  /** PEM of the keys that open encrypted assertions; default none. */
  readonly decryptionKeys?: readonly string[];
  /** For tests: another thread file. */
  readonly workerFile?: URL;
}

/** Judges SAML messages off the main thread. */
export interface SamlVerifier {
  /**
   * Never rejects: overload, a passed deadline and a crashed thread are refusals with a reason as well.
   * @param connectionId whose share of the queue this counts against
   */
  verify(connectionId: string, samlResponse: string, expected: Expectations): Promise<Verdict>;
  /** The same for a logout message; both share the queue. */
  verifyLogout(connectionId: string, sent: SentLogout, expected: LogoutExpectations): Promise<LogoutVerdict>;
  /** The same for metadata; all of it counts against one share. */
  readMetadata(xml: string, trust: MetadataTrust): Promise<MetadataReading | Refused>;
  /** Ends the threads; what is still waiting is refused. */
  close(): Promise<void>;
}

interface Waiting {
  readonly job: VerificationJob;
  /** Only the first call counts. */
  readonly settle: (verdict: AnyVerdict) => void;
}

const MAX_WAIT_MS = 2_000;
/** A thread that cannot even start is tried again as often. */
const RESTART_MS = 2_000;

/** Times the deadline that a thread may hold a message, whatever it does meanwhile. */
const MAX_STRETCH = 5;
/** Between two looks at how much CPU time a thread has used; ms. */
const LOOK_AGAIN_MS = 10;

const refused = (reason: SamlReason): Refused => ({ ok: false, reason, where: null });

/** Starts the threads. */
export const createVerifier = (options: VerifierOptions = {}): SamlVerifier => new VerifierPool(options);

class VerifierPool implements SamlVerifier {
  readonly #deadlineMs: number;
  readonly #maxPerConnection: number;
  readonly #maxWaitMs: number;
  readonly #workerFile: URL;
  readonly #workerData: Omit<WorkerData, 'cpuMsBefore'>;
  readonly #queue: Waiting[] = [];
  readonly #perConnection = new Map<string, number>();
  readonly #threads = new Set<VerifierThread>();
  #closed = false;

  constructor(options: VerifierOptions) {
    this.#deadlineMs = options.deadlineMs ?? 200;
    this.#maxPerConnection = options.maxPerConnection ?? 16;
    this.#maxWaitMs = options.maxWaitMs ?? MAX_WAIT_MS;
    this.#workerFile = options.workerFile ?? WORKER_FILE;
    this.#workerData = { decryptionKeys: options.decryptionKeys ?? [] };
    for (let started = 0; started < (options.threads ?? 2); started += 1) this.#startThread();
  }

  async verify(connectionId: string, samlResponse: string, expected: Expectations): Promise<Verdict> {
    const verdict = await this.#judge(connectionId, { samlResponse, expected });
    return verdict.ok && !('login' in verdict) ? refused('VERIFIER_CRASHED') : verdict;
  }

  async verifyLogout(connectionId: string, sent: SentLogout, expected: LogoutExpectations): Promise<LogoutVerdict> {
    const verdict = await this.#judge(connectionId, { sentLogout: sent, expected });
    return verdict.ok && !('logout' in verdict) ? refused('VERIFIER_CRASHED') : verdict;
  }

  async readMetadata(metadataXml: string, trust: MetadataTrust): Promise<MetadataReading | Refused> {
    const reading = await this.#judge('metadata', { metadataXml, trust });
    return reading.ok && !('metadata' in reading) ? refused('VERIFIER_CRASHED') : reading;
  }

  async #judge(connectionId: string, job: VerificationJob): Promise<AnyVerdict> {
    const underWay = this.#perConnection.get(connectionId) ?? 0;
    if (this.#closed || underWay >= this.#maxPerConnection) return refused('VERIFIER_BUSY');
    this.#perConnection.set(connectionId, underWay + 1);
    try {
      return await this.#enqueue(job);
    } finally {
      this.#leave(connectionId);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { settle } of this.#queue.splice(0)) settle(refused('VERIFIER_BUSY'));
    await Promise.all([...this.#threads].map((thread) => thread.end()));
  }

  async #enqueue(job: VerificationJob): Promise<AnyVerdict> {
    const { promise, resolve } = Promise.withResolvers<AnyVerdict>();
    const waiting: Waiting = { job, settle: resolve };
    this.#queue.push(waiting);
    const patience = setTimeout(() => {
      const index = this.#queue.indexOf(waiting);
      if (index === -1) return;
      this.#queue.splice(index, 1);
      resolve(refused('VERIFIER_BUSY'));
    }, this.#maxWaitMs);
    this.#dispatch();
    return await promise.finally(() => {
      clearTimeout(patience);
    });
  }

  #leave(connectionId: string): void {
    const left = (this.#perConnection.get(connectionId) ?? 1) - 1;
    if (left === 0) this.#perConnection.delete(connectionId);
    else this.#perConnection.set(connectionId, left);
  }

  #dispatch(): void {
    for (const thread of this.#threads) {
      if (!thread.idle) continue;
      const next = this.#queue.shift();
      if (next === undefined) return;
      thread.run(next);
    }
  }

  #startThread(): void {
    const thread = new VerifierThread({ file: this.#workerFile, data: this.#workerData }, this.#deadlineMs, {
      onIdle: () => {
        this.#dispatch();
      },
      onGone: (wasReady) => {
        this.#threads.delete(thread);
        const restart = (): void => {
          if (!this.#closed) this.#startThread();
        };
        if (wasReady) restart();
        else setTimeout(restart, RESTART_MS).unref();
      },
    });
    this.#threads.add(thread);
  }
}

interface ThreadEvents {
  readonly onIdle: () => void;
  /** The thread ended; called once. `wasReady` is false when it never came up. */
  readonly onGone: (wasReady: boolean) => void;
}

/** One thread and the one message it may be judging. */
class VerifierThread {
  readonly #worker: Worker;
  readonly #deadlineMs: number;
  readonly #events: ThreadEvents;
  #ready = false;
  #wasReady = false;
  #current: Waiting | null = null;
  #timer: NodeJS.Timeout | undefined;
  #limit: NodeJS.Timeout | undefined;
  /** Written by the thread when it takes a message: CPU ms it had used by then. */
  readonly #cpuMsBefore: Float64Array;

  constructor(code: { file: URL; data: Omit<WorkerData, 'cpuMsBefore'> }, deadlineMs: number, events: ThreadEvents) {
    this.#deadlineMs = deadlineMs;
    this.#events = events;
    const cpuMsBefore = new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT);
    this.#cpuMsBefore = new Float64Array(cpuMsBefore);
    this.#worker = new Worker(code.file, {
      workerData: { ...code.data, cpuMsBefore } satisfies WorkerData,
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MIB.old, maxYoungGenerationSizeMb: MIB.young, stackSizeMb: MIB.stack },
    });
    this.#worker.unref();
    this.#worker.on('message', (answer: WorkerAnswer) => {
      this.#answered(answer);
    });
    // The exit event follows every error; it settles what was under way.
    this.#worker.on('error', () => undefined);
    this.#worker.on('exit', () => {
      this.#ready = false;
      this.#settle(refused('VERIFIER_CRASHED'));
      this.#events.onGone(this.#wasReady);
    });
  }

  get idle(): boolean {
    return this.#ready && this.#current === null;
  }

  run(waiting: Waiting): void {
    this.#current = waiting;
    const giveUp = (): void => {
      if (this.#current !== waiting) return;
      this.#ready = false; // Ended below: nobody gives it another message meanwhile.
      this.#settle(refused('VERIFIER_DEADLINE'));
      void this.end().catch(() => undefined);
    };
    const look = async (): Promise<void> => {
      const leftMs = this.#deadlineMs - (await this.#cpuMsUsed());
      if (this.#current !== waiting) return;
      if (leftMs <= 0) giveUp();
      else this.#timer = setTimeout(() => void look().catch(giveUp), Math.max(leftMs, LOOK_AGAIN_MS));
    };
    this.#timer = setTimeout(() => void look().catch(giveUp), this.#deadlineMs);
    this.#limit = setTimeout(giveUp, this.#deadlineMs * MAX_STRETCH);
    this.#worker.postMessage(waiting.job, []);
  }

  /** What the thread has computed since it took the message, ms. A thread that loops answers as well. */
  async #cpuMsUsed(): Promise<number> {
    const { user, system } = await this.#worker.cpuUsage();
    return (user + system) / 1_000 - (this.#cpuMsBefore[0] ?? 0);
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #answered(answer: WorkerAnswer): void {
    if (answer === 'ready') {
      this.#ready = true;
      this.#wasReady = true;
    } else this.#settle(answer);
    if (this.idle) this.#events.onIdle();
  }

  #settle(verdict: AnyVerdict): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#limit);
    const current = this.#current;
    this.#current = null;
    current?.settle(verdict);
  }
}
