import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Command } from 'commander';

import type { SessionOf } from '../run.ts';

const exportCommand = (sessionOf: SessionOf): Command =>
  new Command('export')
    .description('Writes the policy for any Casbin: model.conf, policy.csv and met.mjs (the condition function).')
    .option('--out <folder>', 'where to write; made if it is not there', '.')
    .action(async ({ out }: { readonly out: string }, command: Command) => {
      const { output, client } = sessionOf(command);
      const exported = await client().get('/api/policy/v1/export');
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
    });

export const policyCommand = (sessionOf: SessionOf): Command =>
  new Command('policy').description('The policy as a whole.').addCommand(exportCommand(sessionOf));
