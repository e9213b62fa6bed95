import { Command } from 'commander';

import { EXIT } from '../exit-codes.ts';
import type { SessionOf } from '../run.ts';
import { resolveScope, resolveSubject, type ScopeOptions } from './names.ts';

interface CheckOptions extends ScopeOptions {
  readonly subject: string;
  readonly action: string;
}

/** `check`: prints the decision with its reason; exit code 0 for allow, 4 for deny. */
export const checkCommand = (sessionOf: SessionOf): Command =>
  new Command('check')
    .description('Asks whether a subject may do something, and why.')
    .requiredOption('--subject <subject>', 'user:<id or user name> or service_account:<id or name>')
    .requiredOption('--action <permission>', 'for example flag:toggle')
    .option('--project <project>', 'project (key or id)')
    .option('--environment <environment>', 'environment (key or id)')
    .action(async (options: CheckOptions, command: Command) => {
      const { output, client: open, exit } = sessionOf(command);
      const client = open();
      const scope = await resolveScope(client, options);
      const subject = await resolveSubject(client, options.subject);
      const decision = await client.post('/api/policy/v1/check', { subject, action: options.action, ...scope });
      if (output.json) {
        output.data(decision);
      } else {
        const verdict = decision['decision'] === 'allow' ? 'ALLOW' : 'DENY';
        output.line(`${verdict}  ${String(decision['reason'])}: ${String(decision['explanation'])}`);
        const role = decision['matchedRole'];
        if (typeof role === 'string' && role !== '')
          output.line(`  by the grant ${String(decision['matchedGrant'])} of the role ${role}`);
        output.line(`  policy revision ${String(decision['policyRevision'])}`);
      }
      if (decision['decision'] !== 'allow') exit(EXIT.denied);
    });
