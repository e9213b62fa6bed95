import { Command } from 'commander';

import type { Json } from '../client.ts';
import type { Output } from '../output.ts';
import type { SessionOf } from '../run.ts';
import { parseSubject, resolveScope, type ScopeOptions } from './scope.ts';

const show = (output: Output, grants: readonly Json[]): void => {
  const scope = (grant: Json): Json => (grant['scope'] ?? {}) as Json;
  const subject = (grant: Json): Json => (grant['subject'] ?? {}) as Json;
  output.table(grants, [
    { title: 'grant', value: (grant) => grant['id'] },
    { title: 'subject', value: (grant) => `${String(subject(grant)['type'])}:${String(subject(grant)['id'])}` },
    { title: 'role', value: (grant) => grant['role'] },
    { title: 'project', value: (grant) => scope(grant)['projectId'] ?? 'all' },
    { title: 'environment', value: (grant) => scope(grant)['environmentId'] ?? 'all' },
    { title: 'until', value: (grant) => grant['validUntil'] },
  ]);
};

const listCommand = (sessionOf: SessionOf): Command =>
  new Command('list')
    .description('Lists who holds which role where.')
    .option('--subject <subject>', 'only of user:<id>, group:<id> or service_account:<id>')
    .option('--role <role>', 'only of one role')
    .action(async (options: { subject?: string; role?: string }, command: Command) => {
      const { output, client } = sessionOf(command);
      const wanted = options.subject === undefined ? undefined : parseSubject(options.subject);
      const grants = await Array.fromAsync(client().all('/api/policy/v1/grants'));
      const matching = grants.filter((grant) => {
        const subject = (grant['subject'] ?? {}) as Json;
        const isSubject = wanted === undefined || (subject['type'] === wanted.type && subject['id'] === wanted.id);
        return isSubject && (options.role === undefined || grant['role'] === options.role);
      });
      show(output, matching);
    });

interface AssignOptions extends ScopeOptions {
  readonly subject: string;
  readonly role: string;
  readonly until?: string;
}

const assignCommand = (sessionOf: SessionOf): Command =>
  new Command('assign')
    .description('Gives a role to a user, a group or a service account.')
    .requiredOption('--subject <subject>', 'user:<id>, group:<id> or service_account:<id>')
    .requiredOption('--role <role>', 'key of the role')
    .option('--project <project>', 'only in this project (key or id)')
    .option('--environment <environment>', 'only in this environment (key or id)')
    .option('--until <time>', 'ends at this time (RFC 3339)')
    .action(async (options: AssignOptions, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const client = open();
      const scope = await resolveScope(client, options);
      const until = options.until === undefined ? {} : { validUntil: options.until };
      const grant = await client.post('/api/policy/v1/grants', {
        subject: parseSubject(options.subject),
        role: options.role,
        scope,
        ...until,
      });
      show(output, [grant]);
    });

const revokeCommand = (sessionOf: SessionOf): Command =>
  new Command('revoke')
    .description('Takes a grant away.')
    .argument('<grant>', 'id of the grant')
    .action(async (grant: string, _options: object, command: Command) => {
      const { output, client } = sessionOf(command);
      await client().delete(`/api/policy/v1/grants/${encodeURIComponent(grant)}`);
      if (output.json) output.data({ revoked: grant });
      else output.line(`Grant ${grant} is revoked.`);
    });

export const grantsCommand = (sessionOf: SessionOf): Command =>
  new Command('grants')
    .description('Who holds which role where.')
    .addCommand(listCommand(sessionOf))
    .addCommand(assignCommand(sessionOf))
    .addCommand(revokeCommand(sessionOf));
