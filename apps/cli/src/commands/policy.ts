import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Command, Option } from 'commander';

import type { Client } from '../client.ts';
import type { Output } from '../output.ts';
import type { SessionOf } from '../run.ts';
import { applyCommand, planCommand } from './policy-plan.ts';
import { testCommand } from './policy-test.ts';

const exportCasbin = async (client: Client, output: Output, out: string): Promise<void> => {
  const exported = await client.get('/api/policy/v1/export');
  mkdirSync(out, { recursive: true });
  const files: readonly (readonly [name: string, field: string])[] = [
    ['model.conf', 'model'],
    ['policy.csv', 'policy'],
    ['met.mjs', 'functions'],
  ];
  for (const [name, field] of files) writeFileSync(join(out, name), String(exported[field]));
  const { revision, leftOut } = exported;
  if (output.json) output.data({ folder: out, revision, leftOut });
  else {
    output.line(`Wrote model.conf, policy.csv and met.mjs of revision ${String(revision)} to ${out}.`);
    if (leftOut !== 0) output.note(`${String(leftOut)} grants of subjects who are not active are left out.`);
  }
};

const exportYaml = async (client: Client, output: Output, out: string): Promise<void> => {
  const { revision, document } = await client.get('/api/policy/v1/policy');
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'policy.yaml'), String(document));
  if (output.json) output.data({ folder: out, revision });
  else output.line(`Wrote policy.yaml of revision ${String(revision)} to ${out}.`);
};

const exportCommand = (sessionOf: SessionOf): Command =>
  new Command('export')
    .description('Writes the policy: for any Casbin (model.conf, policy.csv, met.mjs), or as policy.yaml.')
    .addOption(new Option('--format <format>', 'as what').choices(['casbin', 'yaml']).default('casbin'))
    .option('--out <folder>', 'where to write; made if it is not there', '.')
    .action(async ({ out, format }: { readonly out: string; readonly format: string }, command: Command) => {
      const { output, client } = sessionOf(command);
      await (format === 'yaml' ? exportYaml : exportCasbin)(client(), output, out);
    });

export const policyCommand = (sessionOf: SessionOf): Command =>
  new Command('policy')
    .description('The policy as a whole: written to files, made what files say, tested.')
    .addCommand(exportCommand(sessionOf))
    .addCommand(planCommand(sessionOf))
    .addCommand(applyCommand(sessionOf))
    .addCommand(testCommand(sessionOf));
