// npm run bench -- <name> [--json]
import process from 'node:process';

import { audit } from './audit.ts';
import { NotMeasured, measure, type Benchmark, type Result } from './benchmark.ts';
import { oidc } from './oidc.ts';
import { policy } from './policy.ts';
import { saml } from './saml.ts';
import { scim } from './scim.ts';

const BENCHMARKS: ReadonlyMap<string, Benchmark> = new Map([
  ['audit', audit],
  ['oidc', oidc],
  ['policy', policy],
  ['saml', saml],
  ['scim', scim],
]);

const DEFAULT_ROUNDS = 5;

const usage = (): string =>
  [
    'usage: npm run bench -- <name> [--json]',
    '',
    ...[...BENCHMARKS].map(([name, { title }]) => `  ${name.padEnd(12)} ${title}`),
  ].join('\n');

const table = (results: readonly Result[]): string => {
  const header = ['name', 'ours', 'reference', 'unit', 'ratio', 'goal', ''];
  const rows = results.map((result) => [
    result.name,
    String(result.ours),
    String(result.reference),
    result.unit,
    String(result.ratio),
    `>= ${String(result.goal)}`,
    result.ratio >= result.goal ? 'reached' : 'NOT REACHED',
  ]);
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => (row[column] ?? '').length)));
  return [header, ...rows]
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .join('\n');
};

const main = async (): Promise<number> => {
  const names = process.argv.slice(2).filter((argument) => argument !== '--json');
  const [name] = names;
  const benchmark = name === undefined ? undefined : BENCHMARKS.get(name);
  if (benchmark === undefined || names.length !== 1) {
    console.error(usage());
    return 2;
  }
  const { measurements, close } = await benchmark.open();
  const results: Result[] = [];
  const notMeasured: { readonly name: string; readonly reason: string }[] = [];
  try {
    for (const measurement of measurements) {
      try {
        results.push(await measure(measurement, benchmark.rounds ?? DEFAULT_ROUNDS));
      } catch (error) {
        if (!(error instanceof NotMeasured)) throw error;
        notMeasured.push({ name: measurement.name, reason: error.message });
      }
    }
  } finally {
    await close();
  }
  console.log(table(results));
  for (const { name: line, reason } of notMeasured) console.log(`${line}  not measured: ${reason}`);
  if (process.argv.includes('--json')) console.log(JSON.stringify({ results, notMeasured }));
  return 0;
};

process.exitCode = await main();
