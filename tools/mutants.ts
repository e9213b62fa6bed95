// npm run mutants -- <target> [file]: takes away one check after another and asks whether a test notices.
// Works on copies in a temporary folder, never on the tree. Slow by nature, so no part of npm test.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import process from 'node:process';

import { mutantsOf, type Mutant } from './mutants/mutate.ts';
import { TARGETS, type EquivalentMutant, type MutationTarget } from './mutants/targets.ts';

const ROOT = join(import.meta.dirname, '..');
/** A suite that takes longer hangs because of the mutant: noticed. */
const TIMEOUT_MS = 120_000;
const OUTPUT_CHARACTERS = 3_000;

interface Case extends Mutant {
  readonly file: string;
  readonly original: string;
  readonly suites: readonly string[];
}

interface Judged {
  readonly mutant: Case;
  readonly noticed: boolean;
}

const isValid = (text: string): boolean => {
  try {
    stripTypeScriptTypes(text);
    return true;
  } catch {
    return false;
  }
};

const lineOf = ({ original, line }: Case): string => (original.split('\n')[line - 1] ?? '').trim();

const isEquivalent = (mutant: Case, known: readonly EquivalentMutant[]): boolean =>
  known.some(
    ({ file, line, change }) =>
      basename(mutant.file) === file && lineOf(mutant).includes(line) && (change === null || change === mutant.change),
  );

const casesOf = (target: MutationTarget, only: string | undefined): Case[] => {
  const folder = join(ROOT, target.folder);
  const filesOf = (patterns: readonly string[]): string[] =>
    globSync([...patterns], { cwd: folder })
      .filter((file) => only === undefined || file.includes(only))
      .toSorted();
  return target.groups
    .flatMap(({ files, suites }) => filesOf(files).map((file) => ({ file, suites })))
    .flatMap(({ file, suites }) => {
      const original = readFileSync(join(folder, file), 'utf8');
      return mutantsOf(original).map((mutant) => ({ ...mutant, file, original, suites }));
    })
    .filter((mutant) => isValid(mutant.text) && !isEquivalent(mutant, target.equivalent));
};

/** A copy of the folder that finds everything else where it is. */
const makeCopy = (folder: string): string => {
  const copy = mkdtempSync(join(tmpdir(), 'sallyport-mutants-'));
  const inside = (path: string): boolean => basename(path) !== 'node_modules';
  cpSync(join(ROOT, folder), join(copy, folder), { recursive: true, filter: inside });
  for (const modules of ['node_modules', join(folder, 'node_modules')]) {
    if (existsSync(join(ROOT, modules))) symlinkSync(join(ROOT, modules), join(copy, modules));
  }
  return copy;
};

interface Run {
  readonly passed: boolean;
  readonly output: string;
}

const runSuite = async (copy: string, folder: string, suite: readonly string[]): Promise<Run> => {
  const cwd = join(copy, folder);
  const bin = join(ROOT, 'node_modules', '.bin');
  const args = ['--no-config', '--extension', 'ts', '--timeout', '60000', '--exit', '--bail', ...suite];
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` };
  const child = spawn(join(bin, 'mocha'), args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  clearTimeout(timer);
  return { passed: status === 0, output: Buffer.concat(chunks).toString('utf8') };
};

const judge = async (copy: string, target: MutationTarget, mutant: Case): Promise<Judged> => {
  const path = join(copy, target.folder, mutant.file);
  writeFileSync(path, mutant.text);
  try {
    return { mutant, noticed: !(await runSuite(copy, target.folder, mutant.suites)).passed };
  } finally {
    writeFileSync(path, mutant.original);
  }
};

const judgeAll = async (target: MutationTarget, cases: readonly Case[]): Promise<Judged[]> => {
  const queue = [...cases];
  const judged: Judged[] = [];
  const worker = async (): Promise<void> => {
    const copy = makeCopy(target.folder);
    try {
      for (const suites of new Set(cases.map((one) => one.suites))) {
        const { passed, output } = await runSuite(copy, target.folder, suites);
        if (!passed) throw new Error(`Without a mutant these fail already:\n${output.slice(-OUTPUT_CHARACTERS)}`);
      }
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const result = await judge(copy, target, next);
        judged.push(result);
        if (!result.noticed) console.log(describe(result.mutant));
      }
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker));
  return judged;
};

const describe = (mutant: Case): string =>
  `survived  ${mutant.file}:${String(mutant.line)}  ${mutant.change}\n          ${lineOf(mutant)}`;

const report = (judged: readonly Judged[]): number => {
  const files = [...new Set(judged.map(({ mutant }) => mutant.file))].toSorted();
  for (const file of files) {
    const own = judged.filter(({ mutant }) => mutant.file === file);
    const noticed = own.filter((one) => one.noticed).length;
    console.log(`${String(noticed).padStart(4)} of ${String(own.length).padStart(3)} noticed  ${file}`);
  }
  const score = judged.filter(({ noticed }) => noticed).length / Math.max(1, judged.length);
  console.log(`score ${(score * 100).toFixed(1)} % of ${String(judged.length)} mutants`);
  return score;
};

const main = async (): Promise<number> => {
  const [name = '', only] = process.argv.slice(2);
  const target = TARGETS.get(name);
  if (target === undefined) {
    console.error(`usage: npm run mutants -- <${[...TARGETS.keys()].join('|')}> [part of a file name]`);
    return 2;
  }
  const cases = casesOf(target, only);
  console.log(`${String(cases.length)} mutants in ${target.folder}`);
  const score = report(await judgeAll(target, cases));
  return score >= target.goal ? 0 : 1;
};

process.exitCode = await main();
