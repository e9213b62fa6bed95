import { Command } from 'commander';

import type { Client, Json } from '../client.ts';
import type { Output } from '../output.ts';
import type { SessionOf } from '../run.ts';
import { resolveScope, resolveSubject, type ScopeOptions, type Subject } from './names.ts';
import { limitsOf, Wording } from './wording.ts';

const show = async (output: Output, client: Client, grants: readonly Json[]): Promise<void> => {
  if (output.json) {
    output.data(grants);
    return;
  }
  const wording = await Wording.of(client);
  const subjectOf = (grant: Json): Subject => grant['subject'] as Subject;
  const name = await wording.names(grants.map(subjectOf));
  output.table(grants, [
    { title: 'grant', value: (grant) => grant['id'] },
    { title: 'subject', value: (grant) => name(subjectOf(grant)) },
    // A deny grant takes a role away: it must not look like one that gives it.
    { title: 'role', value: (grant) => `${grant['effect'] === 'deny' ? 'not ' : ''}${String(grant['role'])}` },
    { title: 'where', value: (grant) => wording.place(grant['scope'] ?? {}) },
    { title: 'limits', value: limitsOf },
  ]);
};

const SUBJECTS = 'user:<id or user name>, group:<id or name> or service_account:<id or name>';

interface ListOptions extends ScopeOptions {
  readonly subject?: string;
  readonly role?: string;
}

const listCommand = (sessionOf: SessionOf): Command =>
  new Command('list')
    .description('Lists who holds which role where.')
    .option('--subject <subject>', SUBJECTS)
    .option('--role <role>', 'only of one role')
    .option('--project <project>', 'only within this project (key or id)')
    .option('--environment <environment>', 'only within this environment (key or id)')
    .action(async (options: ListOptions, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const client = open();
      const scope = await resolveScope(client, options);
      const subject = options.subject === undefined ? undefined : await resolveSubject(client, options.subject);
      const grants = await Array.fromAsync(client.all('/api/policy/v1/grants', { ...scope, subjectId: subject?.id }));
      await show(
        output,
        client,
        grants.filter(({ role }) => options.role === undefined || role === options.role),
      );
    });

interface AssignOptions extends ScopeOptions {
  readonly subject: string;
  readonly role: string;
  readonly until?: string;
}

const assignCommand = (sessionOf: SessionOf): Command =>
  new Command('assign')
    .description('Gives a role to a user, a group or a service account.')
    .requiredOption('--subject <subject>', SUBJECTS)
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
        subject: await resolveSubject(client, options.subject),
        role: options.role,
        scope,
        ...until,
      });
      await show(output, client, [grant]);
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
