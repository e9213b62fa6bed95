// npm run demo [-- --json]: the main job against a fresh constellation on free ports.
import process from 'node:process';

import { DevEnvironmentError, startConstellation } from '@sallyport/dev-env';
import type { RevocationTimes } from '@sallyport/dev-env/actors';

import { playJourney } from './demo/journey.ts';
import { Stage, type StepResult } from './demo/stage.ts';

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

const announce = ({ number, title, held, ms, seen }: StepResult): void => {
  say(`${held ? 'ok    ' : 'FAILED'} ${String(number).padStart(2)}  ${title}  (${String(ms)} ms)`);
  say(`           ${seen}`);
};

const timesTable = (times: RevocationTimes): string =>
  Object.entries(times)
    .map(([name, ms]) => `  ${name.padEnd(16)}${String(ms).padStart(8)} ms`)
    .join('\n');

const main = async (): Promise<number> => {
  say('Starting a fresh constellation …');
  const constellation = await startConstellation();
  const stage = new Stage(announce);
  let times: RevocationTimes | undefined;
  try {
    times = await playJourney(stage, constellation.bootstrap);
  } finally {
    await constellation.stop();
  }
  say('');
  if (times !== undefined) say(`From the IdP’s deactivation to the first refusal:\n${timesTable(times)}\n`);
  say(`${String(stage.results.length - stage.failed)} of ${String(stage.results.length)} steps held`);
  if (process.argv.includes('--json')) {
    say(JSON.stringify({ steps: stage.results.length, failed: stage.failed, revocationMs: times ?? {} }));
  }
  return stage.failed === 0 && times !== undefined ? 0 : 1;
};

try {
  process.exitCode = await main();
} catch (error) {
  // A constellation that does not start says so in one sentence.
  process.stderr.write(`${error instanceof DevEnvironmentError ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
