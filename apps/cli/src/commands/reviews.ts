import process from 'node:process';
import { pipeline } from 'node:stream/promises';

import { Command, Option } from 'commander';

import type { Client, Json } from '../client.ts';
import { CliError, EXIT } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import type { SessionOf } from '../run.ts';
import { resolveScope, resolveSubject, type ScopeOptions, type Subject } from './names.ts';
import { limitsOf, Wording, type Place } from './wording.ts';
import { writeWhole } from './write-whole.ts';

const BASE = '/api/policy/v1/reviews';

interface Review extends Json {
  readonly id: string;
  readonly title: string;
  readonly state: string;
  readonly scope: Place;
  readonly reviewers: readonly string[];
  readonly progress: Readonly<Record<string, number>>;
}

const pathOf = (id: string, below = ''): string => `${BASE}/${encodeURIComponent(id)}${below}`;

const progressOf = (review: Json): string =>
  Object.entries((review as Review).progress)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${String(count)} ${state}`)
    .join(', ');

const show = async (output: Output, wording: Wording, review: Review): Promise<void> => {
  const name = await wording.accounts([...review.reviewers, review['createdBy']]);
  output.fields({
    review: review.id,
    title: review.title,
    state: review.state,
    where: wording.place(review.scope),
    role: review['role'] ?? 'all',
    reviewers: review.reviewers.map(name).join(', '),
    deadline: review['deadline'],
    started: review['createdAt'],
    by: name(review['createdBy']),
    approval: review['approvalRef'],
    closed: review['closedAt'],
    grants: progressOf(review),
  });
};

const listCommand = (sessionOf: SessionOf): Command =>
  new Command('list')
    .description('Lists the reviews you are a reviewer of, or with --all everybody’s.')
    .option('--all', "everybody's, for who may see all grants", false)
    .action(async ({ all }: { readonly all: boolean }, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const client = open();
      const reviews = await Array.fromAsync(client.all(BASE, { of: all ? 'everybody' : 'own' }));
      const wording = await Wording.of(client);
      output.table(reviews, [
        { title: 'review', value: ({ id }) => id },
        { title: 'state', value: ({ state }) => state },
        { title: 'title', value: ({ title }) => title },
        { title: 'where', value: (review) => wording.place((review as Review).scope) },
        { title: 'role', value: ({ role }) => role ?? 'all' },
        { title: 'deadline', value: ({ deadline }) => deadline },
        { title: 'grants', value: progressOf },
      ]);
    });

const showCommand = (sessionOf: SessionOf): Command =>
  new Command('show')
    .description('Shows a review with its grants and what was decided.')
    .argument('<review>', 'id of the review')
    .action(async (id: string, _options: object, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const client = open();
      const review = await client.get<Review>(pathOf(id));
      const items = await Array.fromAsync(client.all(pathOf(id, '/items')));
      if (output.json) {
        output.data({ ...review, items });
        return;
      }
      const wording = await Wording.of(client);
      await show(output, wording, review);
      const grantOf = (item: Json): Json => item['grant'] as Json;
      const subjectOf = (item: Json): Subject => {
        const { subjectType, subjectId } = grantOf(item);
        return { type: String(subjectType), id: String(subjectId) };
      };
      const name = await wording.names(items.map(subjectOf));
      const account = await wording.accounts(items.flatMap(({ grantedBy, decidedBy }) => [grantedBy, decidedBy]));
      output.line('');
      output.table(items, [
        { title: 'grant', value: ({ grantId }) => grantId },
        { title: 'state', value: ({ state }) => state },
        { title: 'subject', value: (item) => name(subjectOf(item)) },
        { title: 'role', value: (item) => grantOf(item)['role'] },
        { title: 'where', value: (item) => wording.place(grantOf(item)) },
        { title: 'limits', value: (item) => limitsOf(grantOf(item)) },
        { title: 'given by', value: ({ grantedBy }) => account(grantedBy) },
        { title: 'decided by', value: ({ decidedBy }) => account(decidedBy) },
        { title: 'reason', value: ({ reason, failure }) => reason ?? failure },
      ]);
    });

interface StartOptions extends ScopeOptions {
  readonly title: string;
  readonly reviewer: readonly string[];
  readonly deadline: string;
  readonly role?: string;
}

const reviewersOf = async (client: Client, named: readonly string[]): Promise<readonly string[]> => {
  const ids: string[] = [];
  for (const text of named) {
    const { type, id } = await resolveSubject(client, text);
    if (type !== 'user') throw new CliError(EXIT.usage, `"${text}" is no person.`, { hint: 'People review: user:…' });
    ids.push(id);
  }
  return ids;
};

const startCommand = (sessionOf: SessionOf): Command =>
  new Command('start')
    .description('Starts a review of the grants within a scope. What nobody answers is taken back at the deadline.')
    .requiredOption('--title <title>', 'what it is called')
    .requiredOption('--reviewer <subject...>', 'user:<id or user name>, one or several')
    .requiredOption('--deadline <time>', 'when it ends (RFC 3339)')
    .option('--role <role>', 'only grants of this role')
    .option('--project <project>', 'only within this project (key or id)')
    .option('--environment <environment>', 'only within this environment (key or id)')
    .action(async (options: StartOptions, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const client = open();
      const { title, deadline, role } = options;
      const scope = await resolveScope(client, options);
      const reviewers = await reviewersOf(client, options.reviewer);
      const narrowed = role === undefined ? {} : { role };
      const review = await client.post<Review>(BASE, { title, scope, reviewers, deadline, ...narrowed });
      if (output.json) output.data(review);
      else await show(output, await Wording.of(client), review);
    });

const JUDGEMENTS = {
  keep: { description: 'Says that a grant is still right.', done: 'kept' },
  revoke: { description: 'Takes a grant back at once.', done: 'revoked' },
} as const;

const judgeCommand = (sessionOf: SessionOf, verb: keyof typeof JUDGEMENTS): Command =>
  new Command(verb)
    .description(JUDGEMENTS[verb].description)
    .argument('<review>', 'id of the review')
    .argument('<grant>', 'id of the grant')
    .requiredOption('--reason <text>', 'why; part of the evidence')
    .action(async (review: string, grant: string, { reason }: { readonly reason: string }, command: Command) => {
      const { output, client } = sessionOf(command);
      await client().tell(pathOf(review, `/items/${encodeURIComponent(grant)}/${verb}`), { reason });
      const { done } = JUDGEMENTS[verb];
      if (output.json) output.data({ review, [done]: grant });
      else output.line(`Grant ${grant} is ${done}.`);
    });

const cancelCommand = (sessionOf: SessionOf): Command =>
  new Command('cancel')
    .description('Ends a review; what is unanswered stays as it is.')
    .argument('<review>', 'id of the review')
    .action(async (id: string, _options: object, command: Command) => {
      const { output, client } = sessionOf(command);
      const review = await client().post<Review>(pathOf(id, '/cancel'));
      if (output.json) output.data(review);
      else output.line(`Review ${id} is ${review.state}.`);
    });

interface EvidenceOptions {
  readonly format: string;
  readonly out?: string;
}

const evidenceCommand = (sessionOf: SessionOf): Command =>
  new Command('evidence')
    .description('Writes everything a review says, with hashes.')
    .argument('<review>', 'id of the review')
    .addOption(new Option('--format <format>', 'as what').choices(['json', 'csv']).default('json'))
    .option('--out <file>', 'file to write; default standard output')
    .action(async (id: string, { format, out }: EvidenceOptions, command: Command) => {
      const { output, client } = sessionOf(command);
      const body = await client().stream(pathOf(id, '/evidence'), { format });
      if (out === undefined) {
        await pipeline(body, process.stdout, { end: false });
        if (format === 'json') output.line('');
        return;
      }
      const bytes = await writeWhole(body, out);
      if (output.json) output.data({ file: out, bytes });
      else output.note(`${String(bytes)} bytes written to ${out}`);
    });

export const reviewsCommand = (sessionOf: SessionOf): Command =>
  new Command('reviews')
    .description('Reviews of who holds what, and whether it is still right.')
    .addCommand(listCommand(sessionOf))
    .addCommand(showCommand(sessionOf))
    .addCommand(startCommand(sessionOf))
    .addCommand(judgeCommand(sessionOf, 'keep'))
    .addCommand(judgeCommand(sessionOf, 'revoke'))
    .addCommand(cancelCommand(sessionOf))
    .addCommand(evidenceCommand(sessionOf));
