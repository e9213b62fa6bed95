import { Command } from 'commander';

import type { Json } from '../client.ts';
import { EXIT } from '../exit-codes.ts';
import type { SessionOf } from '../run.ts';
import { POLICY_SOURCE, readPolicy, readText } from './policy-files.ts';

interface Tested extends Json {
  readonly passed: number;
  readonly failed: number;
  readonly results: readonly Json[];
}

export const testCommand = (sessionOf: SessionOf): Command =>
  new Command('test')
    .description('Runs policy tests; ends with 1 when one fails.')
    .argument('<tests>', 'a YAML file with cases (- for standard input)')
    .option('--policy <policy>', `on this policy instead of the present one: ${POLICY_SOURCE}`)
    .action(async (tests: string, options: { readonly policy?: string }, command: Command) => {
      const { output, client, exit } = sessionOf(command);
      const policy = options.policy === undefined ? {} : { policy: readPolicy(options.policy) };
      const tested = await client().post<Tested>('/api/policy/v1/policy/test', { tests: readText(tests), ...policy });
      const { passed, failed, results } = tested;
      if (output.json) output.data(tested);
      else {
        const wrong = results.filter((each) => each['passed'] !== true);
        if (wrong.length > 0)
          output.table(wrong, [
            { title: 'line', value: (each) => String(each['line']) },
            { title: 'case', value: (each) => each['name'] },
            { title: 'expected', value: (each) => each['expected'] },
            { title: 'decided', value: (each) => `${String(each['decision'])} (${String(each['reason'])})` },
            { title: 'why', value: (each) => each['explanation'] },
          ]);
        output.line(`${String(passed)} passed, ${String(failed)} failed.`);
      }
      if (failed > 0) exit(EXIT.failed);
    });
