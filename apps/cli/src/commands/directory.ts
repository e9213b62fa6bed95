import { Command, Option } from 'commander';

import type { Json } from '../client.ts';
import type { SessionOf } from '../run.ts';
import { listProjects } from './names.ts';

/** `projects list`: what `--project` and `--environment` can name. */
export const projectsCommand = (sessionOf: SessionOf): Command =>
  new Command('projects').description('Projects and their environments.').addCommand(
    new Command('list').description('Lists what you may see.').action(async (_options, command: Command) => {
      const { output, client } = sessionOf(command);
      const projects = await listProjects(client());
      if (output.json) {
        output.data(projects);
        return;
      }
      const rows = projects.flatMap((project): Json[] => {
        const own = { project: project.key, id: project.id };
        const environments = project.environments.map(({ key, tier, id }) => ({
          project: project.key,
          environment: key,
          tier,
          id,
        }));
        return [own, ...environments];
      });
      output.table(rows, [
        { title: 'project', value: (row) => row['project'] },
        { title: 'environment', value: (row) => row['environment'] },
        { title: 'tier', value: (row) => row['tier'] },
        { title: 'id', value: (row) => row['id'] },
      ]);
    }),
  );

interface AccountOptions {
  readonly kind?: string;
  readonly status?: string;
}

/** `accounts list`: people and service accounts. */
export const accountsCommand = (sessionOf: SessionOf): Command =>
  new Command('accounts').description('People and service accounts.').addCommand(
    new Command('list')
      .description('Lists them in order of creation.')
      .addOption(new Option('--kind <kind>', 'only of one kind').choices(['user', 'service_account']))
      .addOption(new Option('--status <status>', 'only of one status').choices(['active', 'inactive', 'deleted']))
      .action(async ({ kind, status }: AccountOptions, command: Command) => {
        const { output, client } = sessionOf(command);
        const accounts = await Array.fromAsync(client().all('/api/identity/v1/accounts', { kind, status }));
        output.table(accounts, [
          { title: 'name', value: (account) => account['userName'] },
          { title: 'displayed as', value: (account) => account['displayName'] },
          { title: 'kind', value: (account) => account['kind'] },
          { title: 'status', value: (account) => account['status'] },
          { title: 'id', value: (account) => account['id'] },
        ]);
      }),
  );

/** `groups list`: the groups of the identity provider. */
export const groupsCommand = (sessionOf: SessionOf): Command =>
  new Command('groups').description('Groups of the identity provider.').addCommand(
    new Command('list').description('Lists them in order of creation.').action(async (_options, command: Command) => {
      const { output, client } = sessionOf(command);
      const groups = await Array.fromAsync(client().all('/api/identity/v1/groups'));
      output.table(groups, [
        { title: 'name', value: (group) => group['displayName'] },
        { title: 'id', value: (group) => group['id'] },
      ]);
    }),
  );
