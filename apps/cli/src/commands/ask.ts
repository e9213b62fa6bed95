import { Command } from 'commander';

import type { Json } from '../client.ts';
import { EXIT } from '../exit-codes.ts';
import type { SessionOf } from '../run.ts';
import { resolveScope, resolveSubject, type ScopeOptions, type Subject } from './names.ts';
import { Wording } from './wording.ts';

interface ExplainOptions extends ScopeOptions {
  readonly subject?: string;
  readonly action: string;
}

const PAGE = 1_000;
const MAX_NAMED = 2_000;

/** `explain`: why a decision comes out as it does, and what is missing; exit code 0 for allow, 4 for deny. */
export const explainCommand = (sessionOf: SessionOf): Command =>
  new Command('explain')
    .description('Says why something is allowed or denied and, for a denial, what is missing.')
    .requiredOption('--action <permission>', 'for example flag:toggle')
    .option('--subject <subject>', 'user:<id or user name> or service_account:<id or name> (default: yourself)')
    .option('--project <project>', 'project (key or id)')
    .option('--environment <environment>', 'environment (key or id)')
    .action(async (options: ExplainOptions, command: Command) => {
      const { output, client: open, exit } = sessionOf(command);
      const client = open();
      const scope = await resolveScope(client, options);
      const subject = options.subject === undefined ? {} : { subject: await resolveSubject(client, options.subject) };
      const told = await client.post('/api/policy/v1/explain', { ...subject, action: options.action, ...scope });
      if (output.json) output.data(told);
      else {
        output.line(
          `${told['decision'] === 'allow' ? 'ALLOW' : 'DENY'}  ${String(told['cause'])}: ${String(told['text'])}`,
        );
        output.line(`  policy revision ${String(told['policyRevision'])}`);
      }
      if (told['decision'] !== 'allow') exit(EXIT.denied);
    });

interface Found extends Json {
  readonly items: readonly Json[];
  readonly nextCursor: string | null;
  readonly revision: string;
  readonly total: number;
}

/** `who-can`: everybody who may do something somewhere, as of one revision. */
export const whoCanCommand = (sessionOf: SessionOf): Command =>
  new Command('who-can')
    .description('Lists the active people and service accounts who may do something, also through groups.')
    .argument('<permission>', 'for example flag:toggle')
    .option('--project <project>', 'project (key or id)')
    .option('--environment <environment>', 'environment (key or id)')
    .action(async (action: string, options: ScopeOptions, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const client = open();
      const question = { action, ...(await resolveScope(client, options)), limit: PAGE };
      const items: Json[] = [];
      let page = await client.post<Found>('/api/policy/v1/list/subjects', question);
      items.push(...page.items);
      while (page.nextCursor !== null) {
        page = await client.post<Found>('/api/policy/v1/list/subjects', { ...question, cursor: page.nextCursor });
        items.push(...page.items);
      }
      const subjectOf = ({ type, id }: Json): Subject => ({ type: String(type), id: String(id) });
      // Whoever has more to read does not read it by eye.
      const named = output.json || items.length > MAX_NAMED ? [] : items.map(subjectOf);
      const name = await (await Wording.of(client)).names(named);
      output.table(items, [
        { title: 'subject', value: (item) => name(subjectOf(item)) },
        { title: 'id', value: ({ id }) => id },
      ]);
      if (!output.json) output.note(`${String(page.total)} as of policy revision ${page.revision}`);
    });
