import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

import { REPOSITORY } from '@sallyport/dev-env';

const BIN = join(REPOSITORY, 'node_modules', '.bin');

/** How a command ended. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Invocation {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the command from outside once this has been printed: for those that follow. */
  readonly until?: (stdout: string) => boolean;
}

/** A terminal of somebody's: a home of its own, where the CLI keeps what it is told. */
export class Terminal {
  readonly home: string;
  readonly credentials: string;

  constructor() {
    this.home = mkdtempSync(join(tmpdir(), 'sallyport-cli-'));
    this.credentials = join(this.home, 'configuration', 'credentials.json');
  }

  file(name: string): string {
    return join(this.home, name);
  }

  /** `sallyport …`, as npx runs it: the installed command, on the Node of the repository. */
  async sallyport(args: readonly string[], invocation: Invocation = {}): Promise<Finished> {
    return await this.#run(join(BIN, 'sallyport'), args, invocation);
  }

  /** Through npx itself. */
  async npx(args: readonly string[]): Promise<Finished> {
    return await this.#run('npx', ['--no-install', ...args], {});
  }

  async #run(command: string, args: readonly string[], { stdin, env, until }: Invocation): Promise<Finished> {
    const child = spawn(command, args, {
      cwd: REPOSITORY,
      env: {
        PATH: `${BIN}${delimiter}${process.env['PATH'] ?? ''}`,
        HOME: this.home,
        SALLYPORT_CREDENTIALS: this.credentials,
        ...env,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (until?.(stdout) === true) child.kill('SIGTERM');
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin ?? '');
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    return { code, stdout, stderr };
  }

  close(): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Every line of JSON that was printed. */
export const jsonLines = (stdout: string): Record<string, unknown>[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
