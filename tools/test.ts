// npm test: format, lint, types, generated code, then every mocha suite. The last line sums mocha's totals.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import process from 'node:process';

interface Outcome {
  readonly status: number;
  readonly output: string;
  readonly seconds: number;
}

interface Failed {
  readonly title: string;
  readonly file: string;
  readonly reason: string;
}

interface Totals {
  readonly passes: number;
  readonly failures: number;
  readonly pending: number;
  readonly failed: readonly Failed[];
}

// Longest first, so that the two that run at once end at about the same time.
const SUITES: readonly (readonly [name: string, patterns: readonly string[]])[] = [
  ['revocation', ['tests/{revocation,faults}/**/*.test.ts']],
  ['journeys', ['tests/{e2e,cli,browser}/**/*.test.ts', 'bench/**/*.test.ts']],
  ['identity', ['services/identity/{src,tests}/**/*.test.ts']],
  ['packages', ['packages/*/{src,tests}/**/*.test.ts', 'tools/**/*.test.ts', 'proto/**/*.test.ts']],
  ['policy', ['services/policy/{src,tests}/**/*.test.ts']],
  ['flags', ['services/flags/{src,tests}/**/*.test.ts']],
  ['apps', ['apps/*/{src,tests}/**/*.test.ts']],
];

const CHECKS: readonly (readonly [name: string, command: string, args: readonly string[]])[] = [
  ['format', 'oxfmt', ['--check']],
  ['lint', 'oxlint', ['--type-aware', '--deny-warnings']],
  ['types', 'tsc', ['--noEmit', '-p', 'tsconfig.json']],
  ['generated', 'node', ['tools/generate.ts', '--check']],
];

const SUITES_AT_ONCE = 2;

const run = async (command: string, args: readonly string[]): Promise<Outcome> => {
  const startedAt = performance.now();
  const path = `${join(import.meta.dirname, '..', 'node_modules', '.bin')}:${process.env['PATH'] ?? ''}`;
  const child = spawn(command, args, { env: { ...process.env, PATH: path }, stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  const status = await new Promise<number>((resolve) => {
    child.once('error', () => {
      resolve(127);
    });
    child.once('close', (code) => {
      resolve(code ?? 1);
    });
  });
  const seconds = (performance.now() - startedAt) / 1000;
  return { status, output: Buffer.concat(chunks).toString('utf8'), seconds };
};

const report = (name: string, outcome: Outcome, show: boolean): void => {
  const mark = outcome.status === 0 ? 'ok' : 'FAILED';
  console.log(`${mark.padEnd(6)} ${name} (${outcome.seconds.toFixed(1)} s)`);
  if (show || outcome.status !== 0) console.log(outcome.output.trimEnd());
};

// Tests run in any order; a run is repeated with SALLYPORT_TEST_SEED.
const shuffled = (files: readonly string[], seed: string): string[] => {
  const rank = (file: string): string => createHash('sha256').update(`${seed}:${file}`).digest('hex');
  return [...files].sort((left, right) => (rank(left) < rank(right) ? -1 : 1));
};

const runSuite = async (name: string, files: readonly string[], folder: string): Promise<Totals> => {
  const totals = join(folder, `${name}.json`);
  const args = [
    '--no-config',
    '--extension',
    'ts',
    '--forbid-only',
    '--forbid-pending',
    '--exit',
    '--timeout',
    '180000',
  ];
  const reporter = ['--reporter', join(import.meta.dirname, 'reporter.cjs'), '--reporter-option', `totals=${totals}`];
  const outcome = await run('mocha', [...args, ...reporter, ...files]);
  report(name, outcome, true);
  const counted = existsSync(totals)
    ? (JSON.parse(readFileSync(totals, 'utf8')) as Totals)
    : { passes: 0, failures: 0, pending: 0, failed: [] };
  const crashed = outcome.status !== 0 && counted.failures === 0;
  if (!crashed) return counted;
  const failed = [{ title: name, file: '', reason: `mocha ended with ${String(outcome.status)}; see its output` }];
  return { ...counted, failures: 1, failed };
};

const runSuites = async (seed: string, only: readonly string[]): Promise<Totals> => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
  const queue = SUITES.filter(([name]) => only.length === 0 || only.includes(name));
  const results: Totals[] = [];
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [name, patterns] = next;
      const files = globSync([...patterns], { exclude: (entry) => entry.includes('node_modules') }).sort();
      if (files.length > 0) results.push(await runSuite(name, shuffled(files, seed), folder));
    }
  };
  await Promise.all(Array.from({ length: SUITES_AT_ONCE }, worker));
  rmSync(folder, { recursive: true, force: true });
  const sum = (field: 'passes' | 'failures' | 'pending'): number =>
    results.reduce((total, result) => total + result[field], 0);
  return {
    passes: sum('passes'),
    failures: sum('failures'),
    pending: sum('pending'),
    failed: results.flatMap(({ failed }) => failed),
  };
};

// Said again at the end, where it is looked for: a suite prints thousands of lines after a failure.
const REASON_LINES = 25;
const reportFailed = (failed: readonly Failed[]): void => {
  for (const { title, file, reason } of failed) {
    console.log(`\nFAILED ${title}\n  in ${relative('.', file)}`);
    console.log(reason.split('\n').slice(0, REASON_LINES).join('\n').replaceAll(/^/gm, '  '));
  }
};

const main = async (): Promise<number> => {
  process.chdir(join(import.meta.dirname, '..'));
  const only = process.argv.slice(2);
  let failedChecks = 0;
  for (const [name, command, args] of only.length === 0 ? CHECKS : []) {
    const outcome = await run(command, args);
    report(name, outcome, false);
    if (outcome.status !== 0) failedChecks += 1;
  }
  const seed = process.env['SALLYPORT_TEST_SEED'] ?? randomBytes(4).toString('hex');
  console.log(`order of test files: SALLYPORT_TEST_SEED=${seed}`);
  const totals = await runSuites(seed, only);
  const failed = totals.failures + totals.pending + failedChecks;
  reportFailed(totals.failed);
  if (failedChecks > 0) console.log(`${String(failedChecks)} of the checks above failed`);
  console.log(`${String(totals.passes)} passed, ${String(failed)} failed`);
  return failed === 0 && totals.passes > 0 ? 0 : 1;
};

process.exitCode = await main();
