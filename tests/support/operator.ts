import assert from 'node:assert/strict';

import type { Company } from '../src/company.ts';
import type { Finished, Terminal } from './command-line.ts';

/** Somebody at a terminal. */
export interface Operator {
  readonly run: (...args: readonly string[]) => Promise<Finished>;
  /** Insists on an exit code; answers what was printed. */
  readonly expect: (code: number, ...args: readonly string[]) => Promise<Finished>;
  readonly json: <T = Record<string, unknown>>(...args: readonly string[]) => Promise<T>;
}

/** Who works with this token. */
export const operatorAt = (terminal: Terminal, company: Company, token: string): Operator => {
  const env = { SALLYPORT_ORIGIN: company.constellation.origin, SALLYPORT_TOKEN: token };
  const run: Operator['run'] = async (...args) => await terminal.sallyport(args, { env });
  const expect: Operator['expect'] = async (code, ...args) => {
    const finished = await run(...args);
    assert.equal(finished.code, code, `${args.join(' ')}: ${finished.stdout}${finished.stderr}`);
    assert.doesNotMatch(finished.stderr, /\n\s+at .*:\d+/, 'a stack trace');
    return finished;
  };
  const json: Operator['json'] = async <T>(...args: readonly string[]) =>
    JSON.parse((await expect(0, ...args, '--json')).stdout) as T;
  return { run, expect, json };
};
