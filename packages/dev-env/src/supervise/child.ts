import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '@sallyport/storage';
import { DevEnvironmentError } from '../errors.ts';
import { readJsonIfThere, writePrivateFile } from '../files.ts';
import { guardProcess, unguardProcess } from '../guard.ts';
import { endProcess, identifyProcess, toProcessIdentity } from '../processes.ts';
import { followLog, lastLines, openLog, type LogFollower } from './log-file.ts';
import { lastWords, notableLine, type Notable } from './log-lines.ts';

/** What to run and how to tell that it serves. */
export interface ChildSpec {
  readonly name: string;
  /** Program and arguments. */
  readonly command: readonly [string, ...string[]];
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly logFile: string;
  /** Where the running process is noted, so that the next start can end a leftover. */
  readonly runFile: string;
  readonly isReady: () => Promise<boolean>;
  /** ms; default 30,000. */
  readonly readyTimeoutMs?: number;
  readonly onEvent?: (event: ChildEvent) => void;
  readonly restart?: Partial<RestartPolicy>;
}

/** When a crashed child is started again. */
export interface RestartPolicy {
  /** ms before the first restart; doubled with each crash in a row; default 200. */
  readonly firstDelayMs: number;
  /** ms; default 5,000. */
  readonly maxDelayMs: number;
  /** Crashes in a row after which it stays down; default 6. */
  readonly maxCrashes: number;
  /** ms of service after which earlier crashes are forgotten; default 30,000. */
  readonly forgetAfterMs: number;
}

/** What happens to a child, for whoever watches. */
export type ChildEvent =
  | { readonly kind: 'ready'; readonly name: string; readonly tookMs: number; readonly restarts: number }
  | { readonly kind: 'crashed'; readonly name: string; readonly how: string; readonly restartInMs: number }
  | { readonly kind: 'gave-up'; readonly name: string; readonly crashes: number; readonly logFile: string }
  | ({ readonly kind: 'log'; readonly name: string } & Notable);

/** A supervised child process. */
export interface Child {
  readonly name: string;
  readonly logFile: string;
  /** Of the process running now; `undefined` between a crash and the restart, and after `stop`. */
  readonly pid: number | undefined;
  /** How often it was started again after a crash. */
  readonly restarts: number;
  /** Starts it and waits until it serves. @throws CHILD_FAILED with the last words of its log. */
  start(): Promise<void>;
  /** Waits until the process running now, or the one that replaces it, serves. @throws CHILD_FAILED when it stays down. */
  whenReady(): Promise<void>;
  /** Asks it to end (SIGTERM), kills it after `graceMs` (default 8,000); it is not restarted. Idempotent. */
  stop(graceMs?: number): Promise<void>;
  /** Kills it as a crash would; it is restarted. Returns when the process is gone. */
  kill9(): Promise<void>;
  /** Freezes it (SIGSTOP): alive for the system, silent for everybody else. */
  pause(): void;
  resume(): void;
}

const DEFAULT_RESTART: RestartPolicy = { firstDelayMs: 200, maxDelayMs: 5_000, maxCrashes: 6, forgetAfterMs: 30_000 };
const POLL_MS = 25;

/** A child that is not started yet. Everything it needs is in `spec`; see {@link Child}. */
export function superviseChild(spec: ChildSpec): Child {
  return new SupervisedChild(spec);
}

/** Ends the process an earlier launcher noted in `runFile`, if exactly that one still runs. Returns its number. */
export async function endLeftover(runFile: string): Promise<number | null> {
  const leftover = toProcessIdentity(readJsonIfThere(runFile));
  if (leftover === null) return null;
  const wasRunning = identifyProcess(leftover.pid)?.stamp === leftover.stamp;
  await endProcess(leftover);
  rmSync(runFile, { force: true });
  return wasRunning ? leftover.pid : null;
}

type State = 'idle' | 'starting' | 'ready' | 'waiting' | 'stopping' | 'failed';

class SupervisedChild implements Child {
  readonly #spec: ChildSpec;
  readonly #policy: RestartPolicy;
  #state: State = 'idle';
  #process: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #follower: LogFollower | undefined;
  #crashes = 0;
  #restarts = 0;
  #readySinceMs = 0;
  #backoff: AbortController | undefined;

  constructor(spec: ChildSpec) {
    this.#spec = spec;
    this.#policy = { ...DEFAULT_RESTART, ...spec.restart };
  }

  get name(): string {
    return this.#spec.name;
  }

  get logFile(): string {
    return this.#spec.logFile;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get restarts(): number {
    return this.#restarts;
  }

  async start(): Promise<void> {
    if (this.#state !== 'idle' && this.#state !== 'failed') {
      await this.whenReady();
      return;
    }
    this.#crashes = 0;
    this.#launch();
    await this.whenReady();
  }

  async whenReady(): Promise<void> {
    while (this.#state !== 'ready') {
      if (this.#state === 'failed' || this.#state === 'idle' || this.#state === 'stopping') throw this.#failure();
      await delay(POLL_MS);
    }
  }

  async stop(graceMs = 8_000): Promise<void> {
    if (this.#state === 'idle') return;
    this.#state = 'stopping';
    this.#backoff?.abort();
    const identity = this.pid === undefined ? null : identifyProcess(this.pid);
    if (identity !== null) {
      this.resume();
      await endProcess(identity, [
        { signal: 'SIGTERM', graceMs },
        { signal: 'SIGKILL', graceMs: 2_000 },
      ]);
    }
    await this.#exited;
    this.#state = 'idle';
  }

  async kill9(): Promise<void> {
    const exited = this.#exited;
    if (this.#process?.kill('SIGKILL') === true) await exited;
  }

  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  #launch(): void {
    const { command, env, cwd, logFile, runFile } = this.#spec;
    const [program, ...args] = command;
    this.#state = 'starting';
    const log = openLog(logFile);
    this.#follower = followLog(logFile, (line) => {
      this.#report(line);
    });
    // A group of its own: Ctrl-C in the terminal is for the launcher, which stops everything in order.
    const child = spawn(program, args, { cwd, env: { ...env }, stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    this.#process = child;
    const identity = child.pid === undefined ? null : identifyProcess(child.pid);
    if (identity !== null) {
      guardProcess(identity.pid);
      writePrivateFile(runFile, JSON.stringify(identity));
    }
    this.#exited = new Promise((resolve) => {
      const end = (how: string): void => {
        resolve();
        this.#onExit(child, how);
      };
      child.once('error', (error) => {
        end(error.message);
      });
      child.once('exit', (code, signal) => {
        end(signal === null ? `exit code ${code}` : `signal ${signal}`);
      });
    });
    this.#watch(child).catch((error: unknown) => {
      this.#spec.onEvent?.({ kind: 'log', name: this.name, level: 'error', message: String(error) });
    });
  }

  /** From the start of a process to its first answer; a process that never answers is killed, as if it had crashed. */
  async #watch(child: ChildProcess): Promise<void> {
    const startedMs = systemClock.monotonicMs();
    const deadlineMs = startedMs + (this.#spec.readyTimeoutMs ?? 30_000);
    while (this.#process === child && this.#state === 'starting') {
      if (await this.#spec.isReady().catch(() => false)) {
        this.#markReady(child, systemClock.monotonicMs() - startedMs);
        return;
      }
      if (systemClock.monotonicMs() > deadlineMs) child.kill('SIGKILL');
      await delay(POLL_MS);
    }
  }

  #markReady(child: ChildProcess, tookMs: number): void {
    if (this.#process !== child || this.#state !== 'starting') return;
    this.#state = 'ready';
    this.#readySinceMs = systemClock.monotonicMs();
    this.#spec.onEvent?.({ kind: 'ready', name: this.name, tookMs, restarts: this.#restarts });
  }

  #onExit(child: ChildProcess, how: string): void {
    if (this.#process !== child) return;
    this.#process = undefined;
    if (child.pid !== undefined) unguardProcess(child.pid);
    rmSync(this.#spec.runFile, { force: true });
    this.#follower?.close();
    if (this.#state === 'stopping') return;
    const served = this.#state === 'ready';
    if (served && systemClock.monotonicMs() - this.#readySinceMs > this.#policy.forgetAfterMs) this.#crashes = 0;
    this.#crashes += 1;
    // That is for whoever waits in start(): a program that cannot start will not start the next time either.
    const neverServed = this.#restarts === 0 && !served;
    if (neverServed) {
      this.#state = 'failed';
      return;
    }
    if (this.#crashes >= this.#policy.maxCrashes) {
      this.#state = 'failed';
      this.#spec.onEvent?.({ kind: 'gave-up', name: this.name, crashes: this.#crashes, logFile: this.logFile });
      return;
    }
    const restartInMs = Math.min(this.#policy.maxDelayMs, this.#policy.firstDelayMs * 2 ** (this.#crashes - 1));
    this.#state = 'waiting';
    this.#spec.onEvent?.({ kind: 'crashed', name: this.name, how, restartInMs });
    this.#restartAfter(restartInMs).catch(() => undefined);
  }

  async #restartAfter(restartInMs: number): Promise<void> {
    this.#backoff = new AbortController();
    await delay(restartInMs, undefined, { signal: this.#backoff.signal });
    if (this.#state !== 'waiting') return;
    this.#restarts += 1;
    this.#launch();
  }

  #report(line: string): void {
    const notable = notableLine(line);
    if (notable !== null) this.#spec.onEvent?.({ kind: 'log', name: this.name, ...notable });
  }

  #failure(): DevEnvironmentError {
    if (this.#state !== 'failed') return new DevEnvironmentError('CHILD_FAILED', `${this.name} is not running.`);
    const said = lastWords(lastLines(this.logFile));
    const words = said === null ? 'without a word' : `its last words: ${said}`;
    return new DevEnvironmentError('CHILD_FAILED', `${this.name} does not run (${words}); its log is ${this.logFile}.`);
  }
}
