// npm run mutants -- <target> [--file part] [--sample n] [--seed text] [--jobs n]: takes away one check after another
// and asks whether a test notices. Works on copies in a temporary folder, never on the tree. Takes minutes, so no part
// of npm test.
import { createHash, randomBytes } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';

import { mutantsOf, type Mutant } from './mutants/mutate.ts';
import { runSuite, type Outcome, type SuiteRun } from './mutants/run-suite.ts';
import { WarmProcess } from './mutants/warm-process.ts';
import { TARGETS, type EquivalentMutant, type MutationTarget } from './mutants/targets.ts';

const ROOT = join(import.meta.dirname, '..');
/** A suite that takes this many times as long as without a mutant, and this much more, hangs. */
const HANGING = { times: 5, ms: 10_000 };
const UNCHANGED_TIMEOUT_MS = 10 * 60_000;
const OUTPUT_CHARACTERS = 3_000;
const PROGRESS_EVERY = 25;

interface Case extends Mutant {
  readonly file: string;
  readonly original: string;
  /** In this order; the first that fails notices. */
  readonly suites: readonly string[];
}

interface Judged {
  readonly mutant: Case;
  readonly noticedBy: Exclude<Outcome, 'passed'> | null;
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

const casesOf = (target: MutationTarget, only: string): Case[] => {
  const folder = join(ROOT, target.folder);
  return target.groups
    .flatMap(({ files, suites }) =>
      globSync([...files], { cwd: folder })
        .filter((file) => file.includes(only))
        .toSorted()
        .map((file) => ({ file, suites })),
    )
    .flatMap(({ file, suites }) => {
      const original = readFileSync(join(folder, file), 'utf8');
      return mutantsOf(original).map((mutant) => ({ ...mutant, file, original, suites }));
    })
    .filter((mutant) => isValid(mutant.text) && !isEquivalent(mutant, target.equivalent));
};

/** The same mutants for the same seed, whatever the order they were made in. */
const sampleOf = (cases: readonly Case[], count: number, seed: string): Case[] => {
  const rank = ({ file, line, change }: Case): string =>
    createHash('sha256')
      .update(`${seed}:${file}:${String(line)}:${change}`)
      .digest('hex');
  return cases.toSorted((one, other) => (rank(one) < rank(other) ? -1 : 1)).slice(0, count);
};

/** A copy of the folder that finds everything else where it is. */
const makeCopy = (folder: string, within: string): string => {
  const copy = mkdtempSync(join(within, 'copy-'));
  const inside = (path: string): boolean => basename(path) !== 'node_modules';
  cpSync(join(ROOT, folder), join(copy, folder), { recursive: true, filter: inside });
  for (const modules of ['node_modules', join(folder, 'node_modules')]) {
    if (existsSync(join(ROOT, modules))) symlinkSync(join(ROOT, modules), join(copy, modules));
  }
  return join(copy, folder);
};

/** One copy of the folder, in which one mutant after another is tried. */
class Bench {
  readonly #folder: string;
  readonly #cache: string;
  readonly #warm: WarmProcess;
  readonly #warmSuites: readonly string[];
  readonly #tookMs: Map<string, number>;

  /** @param tookMs how long each suite takes as things are; shared */
  constructor(target: MutationTarget, within: string, tookMs: Map<string, number>) {
    this.#folder = makeCopy(target.folder, within);
    this.#cache = join(within, 'compiled');
    this.#warm = new WarmProcess(this.#folder);
    this.#warmSuites = target.warm;
    this.#tookMs = tookMs;
  }

  close(): void {
    this.#warm.close();
  }

  /** Notes how long each suite takes as things are; answers what the first one that keeps failing says. */
  async measure(suites: Iterable<string>): Promise<string | null> {
    for (const file of suites) {
      const run = await this.#firmly(async () => await this.#run(file, UNCHANGED_TIMEOUT_MS, null));
      if (run.outcome !== 'passed') return `Without a mutant ${file} fails:\n${run.output.slice(-OUTPUT_CHARACTERS)}`;
      this.#tookMs.set(file, run.tookMs);
    }
    return null;
  }

  async judge(mutant: Case): Promise<Judged> {
    const path = join(this.#folder, mutant.file);
    writeFileSync(path, mutant.text);
    try {
      for (const suite of mutant.suites) {
        const usualMs = this.#tookMs.get(suite) ?? 0;
        const run = async (): Promise<SuiteRun> => await this.#run(suite, usualMs * HANGING.times + HANGING.ms, mutant);
        const { outcome } = this.#warmSuites.includes(suite) ? await run() : await this.#firmly(run);
        if (outcome !== 'passed') return { mutant, noticedBy: outcome };
      }
      return { mutant, noticedBy: null };
    } finally {
      writeFileSync(path, mutant.original);
    }
  }

  /** A suite with a service and a database may fail because the machine is busy: it is asked twice. */
  async #firmly(run: () => Promise<SuiteRun>): Promise<SuiteRun> {
    const first = await run();
    return first.outcome === 'passed' ? first : await run();
  }

  async #run(file: string, timeoutMs: number, mutant: Case | null): Promise<SuiteRun> {
    if (this.#warmSuites.includes(file)) {
      const replaced = mutant === null ? null : { path: join(this.#folder, mutant.file), text: mutant.text };
      return await this.#warm.run({ suite: join(this.#folder, file), replaced }, timeoutMs);
    }
    return await runSuite({ root: ROOT, cwd: this.#folder, file, cache: this.#cache, timeoutMs });
  }
}

/** Suites in the order in which they are needed first. */
const suitesOf = (cases: readonly Case[]): Set<string> => new Set(cases.flatMap(({ suites }) => suites));

const judgeAll = async (target: MutationTarget, cases: readonly Case[], jobs: number): Promise<Judged[]> => {
  const within = mkdtempSync(join(tmpdir(), 'sallyport-mutants-'));
  const tookMs = new Map<string, number>();
  const queue = [...cases];
  const judged: Judged[] = [];
  process.once('SIGINT', () => {
    console.log(`Stopped: ${String(queue.splice(0).length)} were not tried.`);
  });
  const work = async (bench: Bench): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const result = await bench.judge(next);
      judged.push(result);
      if (result.noticedBy === null) console.log(describe(result.mutant));
      if (judged.length % PROGRESS_EVERY === 0) console.log(`${String(judged.length)} of ${String(cases.length)}`);
    }
  };
  const benches: Bench[] = [];
  try {
    benches.push(...Array.from({ length: jobs }, () => new Bench(target, within, tookMs)));
    const failure = await benches[0]?.measure(suitesOf(cases));
    if (typeof failure === 'string') throw new Error(failure);
    await Promise.all(benches.map(work));
    // Something else that failed meanwhile would have looked like being noticed.
    const later = await benches[0]?.measure(suitesOf(cases));
    if (typeof later === 'string') console.log(`Do not trust the score. ${later}`);
  } finally {
    for (const bench of benches) bench.close();
    rmSync(within, { recursive: true, force: true });
  }
  return judged;
};

const describe = (mutant: Case): string =>
  `survived  ${mutant.file}:${String(mutant.line)}  ${mutant.change}\n          ${lineOf(mutant)}`;

const report = (judged: readonly Judged[]): number => {
  const isNoticed = ({ noticedBy }: Judged): boolean => noticedBy !== null;
  for (const file of [...new Set(judged.map(({ mutant }) => mutant.file))].toSorted()) {
    const own = judged.filter(({ mutant }) => mutant.file === file);
    const noticed = own.filter(isNoticed).length;
    console.log(`${String(noticed).padStart(4)} of ${String(own.length).padStart(3)} noticed  ${file}`);
  }
  const hung = judged.filter(({ noticedBy }) => noticedBy === 'hung').length;
  const score = judged.filter(isNoticed).length / Math.max(1, judged.length);
  console.log(`score ${(score * 100).toFixed(1)} % of ${String(judged.length)} mutants; ${String(hung)} hung a suite`);
  return score;
};

const OPTIONS = {
  file: { type: 'string', default: '' },
  sample: { type: 'string' },
  seed: { type: 'string' },
  jobs: { type: 'string', default: '2' },
} as const;

const usage = (): number => {
  console.error(
    `usage: npm run mutants -- <${[...TARGETS.keys()].join('|')}> [--file part-of-a-name] [--sample number] [--seed text] [--jobs number]`,
  );
  return 2;
};

const main = async (): Promise<number> => {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const target = TARGETS.get(positionals[0] ?? '');
  const [jobs, sample] = [Number(values.jobs), Number(values.sample ?? Number.MAX_SAFE_INTEGER)];
  if (target === undefined || positionals.length !== 1 || !(jobs >= 1) || !(sample >= 1)) return usage();
  const all = casesOf(target, values.file);
  const seed = values.seed ?? randomBytes(4).toString('hex');
  const cases = sample < all.length ? sampleOf(all, sample, seed) : all;
  const which = cases.length < all.length ? `, ${String(cases.length)} of them tried (--seed ${seed})` : '';
  console.log(`${String(all.length)} mutants in ${target.folder}${which}`);
  return report(await judgeAll(target, cases, jobs)) >= target.goal ? 0 : 1;
};

process.exitCode = await main();
