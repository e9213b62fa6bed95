/**
 * Reads files off the main thread, one after another: a file somebody sent never keeps decisions waiting.
 *
 * Owns: the deadline of one file, bounded waiting, replacing a thread that died or was ended. Does not own: what is read.
 */
import { Worker } from 'node:worker_threads';

import { AppError } from '@sallyport/errors';
import type { Clock } from '@sallyport/storage';
import type { Logger } from '@sallyport/telemetry';

import { inTurns } from '../turns/index.ts';
import { fromParts } from './file-parts.ts';
import { refuseFile } from './policy.ts';
import type { CasbinFile, SentCasbin } from './read-casbin.ts';
import type { DocumentFile } from './read-document.ts';
import type { ReaderAnswer, Reading, ReadingJob } from './reader-thread.ts';
import type { TestsFile } from './run-tests.ts';

const THREAD_FILE = new URL('./reader-thread.ts', import.meta.url);
const MIB = { old: 384, young: 32, stack: 4 };
/** Times the deadline that the thread may hold a file, whatever it does meanwhile. */
const MAX_STRETCH = 5;
/** A thread that is not up by then does not come up. */
const MAX_START_MS = 30_000;
/** Between two looks at how much the thread has computed; ms. */
const LOOK_AGAIN_MS = 50;

export interface FileReaderOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly logger: Pick<Logger, 'warn'>;
  /** ms the thread may compute for a file; default 10,000: some ten times what the largest ordinary one takes. */
  readonly deadlineMs?: number;
  /** Files that may be under way or waiting; default 16. */
  readonly maxFiles?: number;
  /** Of one organisation; default 4. */
  readonly maxPerOrganization?: number;
  /** ms after which a file the thread has not taken is refused; default 20,000. */
  readonly maxWaitMs?: number;
  /** For tests: another thread file. */
  readonly threadFile?: URL;
}

/**
 * Every method refuses alike.
 *
 * @throws INVALID_REQUEST naming lines; INVALID_VALUE for a Casbin model that is not ours, and for what takes too long;
 *   UNAVAILABLE when too many wait
 */
export interface FileReader {
  readDocument(orgId: string, text: string): Promise<DocumentFile>;
  readCasbin(orgId: string, sent: SentCasbin): Promise<CasbinFile>;
  readTests(orgId: string, text: string): Promise<TestsFile>;
  /** Ends the thread; what is still waiting is refused. */
  close(): Promise<void>;
}

const busy = (): AppError =>
  new AppError('UNAVAILABLE', 'Too many files are being read at the moment.', { retryAfterSeconds: 5 });

const tooLong = (): AppError =>
  refuseFile(
    [{ line: 1, code: 'TOO_LONG', detail: 'It takes too long, or too much memory, to read.' }],
    'INVALID_VALUE',
  );

interface Waiting {
  readonly orgId: string;
  readonly job: ReadingJob;
  readonly take: (reading: Promise<Reading>) => void;
}

/** Starts no thread before there is a file. */
export const createFileReader = (options: FileReaderOptions): FileReader => new ThreadedReader(options);

class ThreadedReader implements FileReader {
  readonly #options: Required<FileReaderOptions>;
  readonly #waiting: Waiting[] = [];
  readonly #perOrganization = new Map<string, number>();
  #files = 0;
  #thread: ReaderThread | null = null;
  #isBusy = false;
  #isClosed = false;

  constructor(options: FileReaderOptions) {
    const limits = { deadlineMs: 10_000, maxFiles: 16, maxPerOrganization: 4, maxWaitMs: 20_000 };
    this.#options = { ...limits, threadFile: THREAD_FILE, ...options };
  }

  async readDocument(orgId: string, text: string): Promise<DocumentFile> {
    return (await this.#read(orgId, { kind: 'yaml', text })) as DocumentFile;
  }

  async readCasbin(orgId: string, sent: SentCasbin): Promise<CasbinFile> {
    return (await this.#read(orgId, { kind: 'casbin', sent, orgId })) as CasbinFile;
  }

  async readTests(orgId: string, text: string): Promise<TestsFile> {
    return (await this.#read(orgId, { kind: 'tests', text })) as TestsFile;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { take } of this.#waiting.splice(0)) take(Promise.reject(busy()));
    await this.#thread?.end();
  }

  async #read(orgId: string, job: ReadingJob): Promise<unknown> {
    const { maxFiles, maxPerOrganization, clock } = this.#options;
    const own = this.#perOrganization.get(orgId) ?? 0;
    if (this.#isClosed || this.#files >= maxFiles || own >= maxPerOrganization) throw busy();
    this.#files += 1;
    this.#perOrganization.set(orgId, own + 1);
    try {
      const reading = await this.#enqueue(orgId, job);
      if (!reading.ok) throw new AppError(reading.code, reading.message, reading.options);
      return await inTurns(fromParts(reading.parts), clock);
    } finally {
      this.#files -= 1;
      const left = (this.#perOrganization.get(orgId) ?? 1) - 1;
      if (left === 0) this.#perOrganization.delete(orgId);
      else this.#perOrganization.set(orgId, left);
    }
  }

  async #enqueue(orgId: string, job: ReadingJob): Promise<Reading> {
    const { promise, resolve } = Promise.withResolvers<Reading>();
    const waiting: Waiting = { orgId, job, take: resolve };
    this.#waiting.push(waiting);
    const patience = setTimeout(() => {
      const at = this.#waiting.indexOf(waiting);
      if (at === -1) return;
      this.#waiting.splice(at, 1);
      resolve(Promise.reject(busy()));
    }, this.#options.maxWaitMs);
    this.#next();
    return await promise.finally(() => {
      clearTimeout(patience);
    });
  }

  #next(): void {
    if (this.#isBusy) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#isBusy = true;
    const reading = this.#readNow(next).finally(() => {
      this.#isBusy = false;
      this.#next();
    });
    next.take(reading);
  }

  async #readNow({ orgId, job }: Waiting): Promise<Reading> {
    const { threadFile, deadlineMs, logger } = this.#options;
    if (this.#thread?.hasEnded !== false) this.#thread = new ReaderThread(threadFile);
    const thread = this.#thread;
    const reading = await thread.read(job, deadlineMs);
    if (typeof reading === 'object') return reading;
    await thread.end();
    if (this.#isClosed) throw busy();
    logger.warn({ orgId, reading, kind: job.kind, error: thread.error }, 'a file was not read');
    throw reading === 'not-started' ? busy() : tooLong();
  }
}

/** One thread and the one file it may be reading. */
class ReaderThread {
  readonly #worker: Worker;
  readonly #ready = Promise.withResolvers<undefined>();
  #isReady = false;
  #settle: ((reading: Reading | 'not-started' | 'ended') => void) | null = null;
  #hasEnded = false;
  /** The name of what ended the thread: what it says may be of the file. */
  #error: string | null = null;

  constructor(file: URL) {
    this.#worker = new Worker(file, {
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MIB.old, maxYoungGenerationSizeMb: MIB.young, stackSizeMb: MIB.stack },
    });
    this.#worker.unref();
    this.#worker.on('message', (answer: ReaderAnswer) => {
      if (answer === 'ready') {
        this.#isReady = true;
        this.#ready.resolve(undefined);
      } else this.#settle?.(answer);
    });
    // The exit event follows every error; it settles what was under way.
    this.#worker.on('error', (error) => {
      this.#error = error instanceof Error ? error.name : 'thrown';
    });
    this.#worker.on('exit', () => {
      this.#hasEnded = true;
      this.#settle?.(this.#isReady ? 'ended' : 'not-started');
    });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get error(): string | null {
    return this.#error;
  }

  /** Never rejects. Whatever it gives that is no reading, the thread has to be ended after it. */
  async read(job: ReadingJob, deadlineMs: number): Promise<Reading | 'not-started' | 'ended' | 'too-long'> {
    const { promise, resolve } = Promise.withResolvers<Reading | 'not-started' | 'ended' | 'too-long'>();
    this.#settle = resolve;
    let look: NodeJS.Timeout | undefined;
    let limit = setTimeout(resolve, MAX_START_MS, 'not-started');
    const begin = async (): Promise<void> => {
      await this.#ready.promise;
      clearTimeout(limit);
      limit = setTimeout(resolve, deadlineMs * MAX_STRETCH, 'too-long');
      const beforeMs = await this.#computedMs();
      if (this.#settle !== resolve) return;
      look = setInterval(() => {
        this.#computedMs().then(
          (nowMs) => {
            if (nowMs - beforeMs > deadlineMs) resolve('too-long');
          },
          () => {
            resolve('ended');
          },
        );
      }, LOOK_AGAIN_MS);
      this.#worker.postMessage(job, []);
    };
    begin().catch(() => {
      resolve('ended');
    });
    const reading = await promise;
    clearTimeout(limit);
    clearInterval(look);
    this.#settle = null;
    return reading;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  /** Of processor time, since the thread began. A thread that loops answers as well. */
  async #computedMs(): Promise<number> {
    const { user, system } = await this.#worker.cpuUsage();
    return (user + system) / 1_000;
  }
}
