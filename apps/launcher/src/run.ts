import { ConfigError } from '@sallyport/config';
import { DevEnvironmentError, killGuarded, REPOSITORY, startConstellation } from '@sallyport/dev-env';
import { systemClock } from '@sallyport/storage';
import { readLauncherConfig } from './config.ts';
import { createReporter, welcome } from './report.ts';

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** What a person is told about a failure: our own sentences as they are, anything else with its stack. */
function explain(error: unknown): string {
  if (error instanceof DevEnvironmentError || error instanceof ConfigError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const PARENT_CHECK_MS = 500;
/** One Ctrl-C reaches us twice: from the terminal, and once more from npm, which passes it on. */
const SAME_KEYSTROKE_MS = 1_000;

/**
 * Calls back when npm, which started us, is gone without having passed a signal on: otherwise a
 * constellation nobody sees would hold its ports. A process started by hand may outlive its shell.
 */
function whenNpmIsGone(callback: () => void): void {
  if (process.env['npm_lifecycle_event'] === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    callback();
  }, PARENT_CHECK_MS);
  timer.unref();
}

async function main(): Promise<void> {
  const config = readLauncherConfig();
  const interrupted = new AbortController();
  const signalled = new Promise<void>((resolve) => {
    let firstAtMs = 0;
    const onSignal = (signal: string): void => {
      if (interrupted.signal.aborted) {
        if (systemClock.monotonicMs() - firstAtMs < SAME_KEYSTROKE_MS) return;
        print('Killed.');
        killGuarded();
        process.exit(130);
      }
      print(`\nStopping (${signal}); once more to kill …`);
      firstAtMs = systemClock.monotonicMs();
      interrupted.abort();
      resolve();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
    whenNpmIsGone(() => {
      if (!interrupted.signal.aborted) onSignal('npm is gone');
    });
  });
  const reporter = createReporter(print);
  print('Starting Sallyport …');
  const common = { SALLYPORT_LOG_LEVEL: config.logLevel };
  try {
    const constellation = await startConstellation({
      stateDir: config.stateDir ?? `${REPOSITORY}.sallyport`,
      ...(config.port !== 0 && { port: config.port }),
      preferredIdpPort: 8090,
      ...(config.databaseUrl !== undefined && { databaseUrl: config.databaseUrl }),
      settings: { identity: common, policy: common, flags: common },
      signal: interrupted.signal,
      onEvent: reporter.report,
    });
    reporter.showLogs(true);
    for (const line of welcome(constellation, process.cwd())) print(line);
    await signalled;
    reporter.showLogs(false);
    await constellation.stop();
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
  }
  print('Stopped.');
  process.exit(0);
}

/** Runs until it is told to stop; ends the process. */
export function run(): void {
  // Who read our output may be gone before us; that is no reason to leave processes behind.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  main().catch((error: unknown) => {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(1);
  });
}
