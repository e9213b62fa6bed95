// A process that runs one suite after another, each time with modules loaded afresh: all of the folder under test, with
// one file of it replaced. What is outside (libraries, other packages) stays loaded; that, and making RSA keys only
// once, is what is saved. Told what to run over IPC; a suite that hangs is ended from outside, with this process.
import { readFileSync } from 'node:fs';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

import Mocha from 'mocha';

/** One run. */
export interface WarmJob {
  /** Absolute; the test file. */
  readonly suite: string;
  /** Absolute path and text of the file that differs; null: none. */
  readonly replaced: { readonly path: string; readonly text: string } | null;
}

export interface WarmAnswer {
  readonly passed: boolean;
  readonly output: string;
}

const folder = pathToFileURL(`${process.cwd()}/`).href;
const stripped = new Map<string, string>();
let generation = 0;
let replaced: WarmJob['replaced'] = null;

const textOf = (path: string): string => {
  if (path === replaced?.path) return stripTypeScriptTypes(replaced.text);
  const text = stripped.get(path) ?? stripTypeScriptTypes(readFileSync(path, 'utf8'));
  stripped.set(path, text);
  return text;
};

const isUnderTest = (url: string): boolean =>
  url.startsWith(folder) && !url.includes('/node_modules/') && /\.ts(?:\?|$)/.test(url);

registerHooks({
  resolve: (specifier, context, next) => {
    const found = next(specifier, context);
    return isUnderTest(found.url)
      ? { ...found, url: `${found.url.split('?')[0] ?? ''}?run=${String(generation)}` }
      : found;
  },
  load: (url, context, next) =>
    isUnderTest(url)
      ? { format: 'module', source: textOf(fileURLToPath(url.split('?')[0] ?? '')), shortCircuit: true }
      : next(url, context),
});

// The n-th key of a run is that of every run: within a run keys differ, and none of them is what is being tested.
const { subtle } = globalThis.crypto;
const generateKey = subtle.generateKey.bind(subtle) as (...args: unknown[]) => Promise<unknown>;
const keys = new Map<string, Promise<unknown>>();
let keysAsked = 0;
Object.defineProperty(subtle, 'generateKey', {
  value: async (...args: unknown[]) => {
    keysAsked += 1;
    const name = `${String(keysAsked)} ${JSON.stringify(args)}`;
    const made = keys.get(name) ?? generateKey(...args);
    keys.set(name, made);
    return await made;
  },
});

const run = async ({ suite, replaced: changed }: WarmJob): Promise<WarmAnswer> => {
  generation += 1;
  replaced = changed;
  keysAsked = 0;
  const failures: string[] = [];
  const mocha = new Mocha({ timeout: 60_000, bail: true, reporter: 'min' });
  mocha.suite.emit('pre-require', globalThis, suite, mocha);
  try {
    await import(pathToFileURL(suite).href);
  } catch (error) {
    return { passed: false, output: String(error) };
  }
  const failed = await new Promise<number>((resolve) => {
    mocha.run(resolve).on('fail', (test, error: unknown) => failures.push(`${test.fullTitle()}: ${String(error)}`));
  });
  return { passed: failed === 0, output: failures.join('\n') };
};

process.on('message', (job: WarmJob) => {
  run(job).then(
    (answer) => process.send?.(answer),
    () => process.exit(1),
  );
});
process.send?.('ready');
