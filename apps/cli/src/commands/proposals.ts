import { Command, Option } from 'commander';

import type { Client, Json } from '../client.ts';
import { CliError, EXIT } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import type { SessionOf } from '../run.ts';
import { changeInWords } from './change-in-words.ts';
import { resolveScope, type ScopeOptions, type Subject } from './names.ts';
import { readText } from './policy-files.ts';
import { Wording, type Place } from './wording.ts';

const BASE = '/api/policy/v1/proposals';

interface Proposal extends Json {
  readonly id: string;
  readonly state: string;
  readonly change: Json;
  readonly scope: Place;
  readonly hash: string;
  readonly proposer: Subject;
  readonly approvals: readonly Json[];
  /** Null once it has ended; unknown in lists. */
  readonly requiredApprovals?: number | null;
}

const pathOf = (id: string, verb = ''): string => `${BASE}/${encodeURIComponent(id)}${verb}`;

const show = async (output: Output, client: Client, proposal: Proposal): Promise<void> => {
  const wording = await Wording.of(client);
  const approverOf = ({ approver }: Json): Subject => ({ type: 'user', id: String(approver) });
  const name = await wording.names(proposal.approvals.map(approverOf));
  const account = await wording.accounts([proposal['closedBy']]);
  const agreed = proposal.approvals.map((approval) => {
    const { comment, createdAt } = approval;
    const words = typeof comment === 'string' ? `: ${comment}` : '';
    return `${name(approverOf(approval))} at ${String(createdAt)}${words}`;
  });
  output.fields({
    proposal: proposal.id,
    state: proposal.state,
    revision: proposal['revision'],
    change: await changeInWords(proposal.change, wording),
    // Whatever the words leave out is what would be approved too.
    exactly: proposal.change,
    proposer: await wording.subject(proposal.proposer),
    reason: proposal['reason'],
    proposed: proposal['updatedAt'],
    expires: proposal['expiresAt'],
    approvals: agreed.length === 0 ? 'none' : agreed.join('; '),
    needed: proposal.requiredApprovals ?? null,
    closed: proposal['closedAt'],
    by: account(proposal['closedBy']),
    result: proposal['resultId'],
    hash: proposal.hash,
  });
};

const STATES = ['in_review', 'applied', 'rejected', 'cancelled', 'expired'] as const;

type ListOptions = ScopeOptions & { readonly all: boolean; readonly state?: (typeof STATES)[number] };

const listCommand = (sessionOf: SessionOf): Command =>
  new Command('list')
    .description('Lists what you proposed, or with --all what everybody did.')
    .option('--all', "everybody's, where you may see the grants", false)
    .addOption(new Option('--state <state>', 'only of one state').choices(STATES))
    .option('--project <project>', 'only within this project (key or id)')
    .option('--environment <environment>', 'only within this environment (key or id)')
    .action(async (options: ListOptions, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const client = open();
      const of = options.all ? 'everybody' : 'own';
      const query = { ...(await resolveScope(client, options)), state: options.state, of };
      const proposals = await Array.fromAsync(client.all<Proposal>(BASE, query));
      if (output.json) {
        output.data(proposals);
        return;
      }
      const wording = await Wording.of(client);
      const name = await wording.names(proposals.map(({ proposer }) => proposer));
      output.table(proposals, [
        { title: 'proposal', value: ({ id }) => id },
        { title: 'state', value: ({ state }) => state },
        { title: 'change', value: (proposal) => (proposal as Proposal).change['kind'] },
        { title: 'where', value: (proposal) => wording.place((proposal as Proposal).scope) },
        { title: 'proposer', value: (proposal) => name((proposal as Proposal).proposer) },
        { title: 'approvals', value: (proposal) => (proposal as Proposal).approvals.length },
        { title: 'expires', value: ({ expiresAt }) => expiresAt },
        { title: 'reason', value: ({ reason }) => reason },
      ]);
    });

const showCommand = (sessionOf: SessionOf): Command =>
  new Command('show')
    .description('Shows what would change, who agreed, and the hash they agree to.')
    .argument('<proposal>', 'id of the proposal')
    .action(async (id: string, _options: object, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const client = open();
      const proposal = await client.get<Proposal>(pathOf(id));
      if (output.json) output.data(proposal);
      else await show(output, client, proposal);
    });

const readChange = (file: string): unknown => {
  const text = readText(file);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CliError(EXIT.usage, `${file} is not JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
};

const createCommand = (sessionOf: SessionOf): Command =>
  new Command('create')
    .description('Proposes a change of grants, mappings, roles or protections to others.')
    .argument('<file>', 'JSON of the change: {"kind": "grant.create", "grant": {…}} (- for standard input)')
    .requiredOption('--reason <text>', 'why, for whoever approves')
    .action(async (file: string, { reason }: { readonly reason: string }, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const change = readChange(file);
      const client = open();
      const proposal = await client.post<Proposal>(BASE, { change, reason });
      if (output.json) output.data(proposal);
      else await show(output, client, proposal);
    });

const ANSWERS = {
  approve: 'Shows what would change and agrees to it.',
  reject: 'Shows what would have changed and ends the proposal.',
  apply: 'Shows what changes and makes it so, once enough others agreed.',
} as const;

interface AnswerOptions {
  readonly hash?: string;
  readonly reason?: string;
}

const answered = ({ id, state, approvals }: Proposal): string =>
  state === 'in_review'
    ? `Proposal ${id} is in review; agreed to by ${String(approvals.length)}.`
    : `Proposal ${id} is ${state}.`;

const answerCommand = (sessionOf: SessionOf, verb: keyof typeof ANSWERS): Command => {
  const command = new Command(verb)
    .description(ANSWERS[verb])
    .argument('<proposal>', 'id of the proposal')
    .option('--hash <hash>', 'only if it is still the revision with this hash (default: as it is now)')
    .action(async (id: string, options: AnswerOptions, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const client = open();
      const proposal = await client.get<Proposal>(pathOf(id));
      if (!output.json) await show(output, client, proposal);
      const comment = options.reason === undefined ? {} : { comment: options.reason };
      const body = { hash: options.hash ?? proposal.hash, ...comment };
      const after = await client.post<Proposal>(pathOf(id, `/${verb}`), body);
      if (output.json) output.data(after);
      else output.line(answered(after));
    });
  return verb === 'apply' ? command : command.option('--reason <text>', 'why');
};

const cancelCommand = (sessionOf: SessionOf): Command =>
  new Command('cancel')
    .description('Takes your own proposal back.')
    .argument('<proposal>', 'id of the proposal')
    .action(async (id: string, _options: object, command: Command) => {
      const { output, client } = sessionOf(command);
      const proposal = await client().post<Proposal>(pathOf(id, '/cancel'));
      if (output.json) output.data(proposal);
      else output.line(answered(proposal));
    });

export const proposalsCommand = (sessionOf: SessionOf): Command =>
  new Command('proposals')
    .description('Changes that others have to agree to.')
    .addCommand(listCommand(sessionOf))
    .addCommand(showCommand(sessionOf))
    .addCommand(createCommand(sessionOf))
    .addCommand(answerCommand(sessionOf, 'approve'))
    .addCommand(answerCommand(sessionOf, 'reject'))
    .addCommand(answerCommand(sessionOf, 'apply'))
    .addCommand(cancelCommand(sessionOf));

/** `protections list`: where nobody gives or takes roles alone. */
export const protectionsCommand = (sessionOf: SessionOf): Command =>
  new Command('protections').description('Where nobody gives or takes roles alone.').addCommand(
    new Command('list').description('Lists them, oldest first.').action(async (_options, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const client = open();
      const protections = await Array.fromAsync(client.all('/api/policy/v1/protections'));
      const wording = await Wording.of(client);
      const account = await wording.accounts(protections.map(({ changedBy }) => changedBy));
      output.table(protections, [
        { title: 'protection', value: ({ id }) => id },
        { title: 'where', value: ({ scope }) => wording.place(scope as Place) },
        { title: 'approvals', value: ({ requiredApprovals }) => requiredApprovals },
        { title: 'since', value: ({ createdAt }) => createdAt },
        { title: 'changed', value: ({ changedAt }) => changedAt },
        { title: 'by', value: ({ changedBy }) => account(changedBy) },
      ]);
    }),
  );
