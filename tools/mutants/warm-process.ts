import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

import type { SuiteRun } from './run-suite.ts';
import type { WarmAnswer, WarmJob } from './warm.ts';

/** Every run leaves its modules behind; after so many the process makes room. */
const MAX_RUNS = 60;
const WARM = join(import.meta.dirname, 'warm.ts');

/** A process in which suites without a service are run, kept between runs. */
export class WarmProcess {
  readonly #cwd: string;
  #child: ChildProcess | null = null;
  #runs = 0;

  constructor(cwd: string) {
    this.#cwd = cwd;
  }

  async run(job: WarmJob, timeoutMs: number): Promise<SuiteRun> {
    if (this.#runs >= MAX_RUNS) this.close();
    this.#child ??= await this.#start();
    this.#runs += 1;
    const child = this.#child;
    const startedAt = performance.now();
    const answer = await new Promise<WarmAnswer | 'hung' | 'ended'>((resolve) => {
      const timer = setTimeout(() => {
        resolve('hung');
      }, timeoutMs);
      child.once('message', (message) => {
        clearTimeout(timer);
        resolve(message as WarmAnswer);
      });
      child.once('exit', () => {
        clearTimeout(timer);
        resolve('ended');
      });
      child.send(job);
    });
    child.removeAllListeners();
    const tookMs = performance.now() - startedAt;
    if (typeof answer === 'string') this.close();
    if (answer === 'hung') return { outcome: 'hung', output: '', tookMs };
    if (answer === 'ended') return { outcome: 'failed', output: 'The process ended.', tookMs };
    return { outcome: answer.passed ? 'passed' : 'failed', output: answer.output, tookMs };
  }

  close(): void {
    this.#child?.kill('SIGKILL');
    this.#child = null;
    this.#runs = 0;
  }

  async #start(): Promise<ChildProcess> {
    const child = fork(WARM, { cwd: this.#cwd, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    await new Promise((resolve) => {
      child.once('message', resolve);
    });
    return child;
  }
}
