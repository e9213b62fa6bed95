import { spawn } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';

/** What became of a suite. A hanging one is ended: the mutant hangs it. */
export type Outcome = 'passed' | 'failed' | 'hung';

export interface SuiteRun {
  readonly outcome: Outcome;
  readonly output: string;
  readonly tookMs: number;
}

export interface Suite {
  /** The root of the repository, for its mocha. */
  readonly root: string;
  /** The folder it runs in. */
  readonly cwd: string;
  readonly file: string;
  /** Where compiled modules are kept between runs; all but the mutant are the same every time. */
  readonly cache: string;
  readonly timeoutMs: number;
}

/** Runs one test file in a process of its own, up to its first failure. */
export const runSuite = async ({ root, cwd, file, cache, timeoutMs }: Suite): Promise<SuiteRun> => {
  const bin = join(root, 'node_modules', '.bin');
  const args = ['--no-config', '--extension', 'ts', '--timeout', '60000', '--exit', '--bail', file];
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}`, NODE_COMPILE_CACHE: cache };
  const startedAt = performance.now();
  const child = spawn(join(bin, 'mocha'), args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  let hung = false;
  const timer = setTimeout(() => {
    hung = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  clearTimeout(timer);
  const outcome = hung ? 'hung' : status === 0 ? 'passed' : 'failed';
  return { outcome, output: Buffer.concat(chunks).toString('utf8'), tookMs: performance.now() - startedAt };
};
