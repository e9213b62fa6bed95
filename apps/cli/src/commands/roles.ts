import { Command } from 'commander';

import type { Json, Page } from '../client.ts';
import type { SessionOf } from '../run.ts';

export const rolesCommand = (sessionOf: SessionOf): Command =>
  new Command('roles').description('Roles and what they allow.').addCommand(
    new Command('list').description('Lists the roles.').action(async (_options, command: Command) => {
      const { output, client } = sessionOf(command);
      const { items } = await client().get<Page<Json>>('/api/policy/v1/roles');
      output.table(items, [
        { title: 'role', value: (role) => role['key'] },
        { title: 'name', value: (role) => role['name'] },
        { title: 'description', value: (role: Json) => role['description'] },
      ]);
    }),
  );
