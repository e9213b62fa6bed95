import { Command } from 'commander';

import type { Json, Page } from '../client.ts';
import type { SessionOf } from '../run.ts';

const BASE = '/api/policy/v1';

const listCommand = (sessionOf: SessionOf): Command =>
  new Command('list')
    .description("Lists the built-in roles and the organisation's own.")
    .action(async (_options, command: Command) => {
      const { output, client } = sessionOf(command);
      const { items } = await client().get<Page<Json>>(`${BASE}/roles`);
      output.table(items, [
        { title: 'role', value: (role) => role['key'] },
        { title: 'name', value: (role) => role['name'] },
        { title: 'made by', value: (role) => (role['builtIn'] === true ? 'Sallyport' : 'the organisation') },
        { title: 'description', value: (role) => role['description'] },
      ]);
    });

const showCommand = (sessionOf: SessionOf): Command =>
  new Command('show')
    .description('Shows what a role permits, per place.')
    .argument('<role>', 'key of the role')
    .action(async (role: string, _options, command: Command) => {
      const { output, client } = sessionOf(command);
      const found = await client().get(`${BASE}/roles/${encodeURIComponent(role)}`);
      if (output.json) {
        output.data(found);
        return;
      }
      const permissions = found['permissions'] as Readonly<Record<string, readonly string[]>>;
      const items = Object.entries(permissions).flatMap(([place, names]) =>
        names.map((permission) => ({ place, permission })),
      );
      output.table(items, [
        { title: 'place', value: (item) => item['place'] },
        { title: 'permission', value: (item) => item['permission'] },
      ]);
    });

const violationsCommand = (sessionOf: SessionOf): Command =>
  new Command('violations')
    .description('Lists who holds roles that exclude each other.')
    .action(async (_options, command: Command) => {
      const { output, client } = sessionOf(command);
      const items = await Array.fromAsync(client().all(`${BASE}/separation-violations`));
      const of = (item: Json, name: string): Json => item[name] as Json;
      output.table(items, [
        {
          title: 'subject',
          value: (item) => `${String(of(item, 'subject')['type'])} ${String(of(item, 'subject')['id'])}`,
        },
        { title: 'roles', value: (item) => (item['roles'] as readonly string[]).join(', ') },
        { title: 'rule', value: (item) => of(item, 'rule')['name'] },
      ]);
    });

export const rolesCommand = (sessionOf: SessionOf): Command =>
  new Command('roles')
    .description('Roles, what they permit, and who holds what excludes each other.')
    .addCommand(listCommand(sessionOf))
    .addCommand(showCommand(sessionOf))
    .addCommand(violationsCommand(sessionOf));
