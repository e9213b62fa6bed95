import { Command, Option } from 'commander';

import type { Client, Json } from '../client.ts';
import type { Output } from '../output.ts';
import type { SessionOf } from '../run.ts';
import { endOf, forOption, type EndOptions } from './moments.ts';
import { resolveScope, type ScopeOptions, type Subject } from './names.ts';
import { Wording, type Place } from './wording.ts';

const BASE = '/api/policy/v1/access-requests';
const STATES = ['pending', 'approved', 'denied', 'expired', 'cancelled', 'failed'];

interface AccessRequest extends Json {
  readonly id: string;
  readonly state: string;
  readonly requester: Subject;
  readonly role: string;
  readonly scope: Place;
  readonly hash: string;
  readonly grant: { readonly id: string; readonly validUntil: string } | null;
}

const pathOf = (id: string, verb = ''): string => `${BASE}/${encodeURIComponent(id)}${verb}`;

const show = async (output: Output, client: Client, request: AccessRequest): Promise<void> => {
  const wording = await Wording.of(client);
  const account = await wording.accounts([request['answeredBy']]);
  output.fields({
    request: request.id,
    state: request.state,
    requester: await wording.subject(request.requester),
    role: request.role,
    where: wording.place(request.scope),
    until: request['validUntil'],
    reason: request['reason'],
    asked: request['createdAt'],
    expires: request['expiresAt'],
    answered: request['answeredAt'],
    by: account(request['answeredBy']),
    answer: request['answer'],
    failure: request['failure'],
    grant: request.grant?.id,
    hash: request.hash,
  });
};

interface ListOptions extends ScopeOptions {
  readonly all: boolean;
  readonly state?: string;
}

const listCommand = (sessionOf: SessionOf): Command =>
  new Command('list')
    .description('Lists what you asked for, or with --all what everybody did.')
    .option('--all', "everybody's, where you may give roles", false)
    .addOption(new Option('--state <state>', 'only of one state').choices(STATES))
    .option('--project <project>', 'only within this project (key or id)')
    .option('--environment <environment>', 'only within this environment (key or id)')
    .action(async (options: ListOptions, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const client = open();
      const query = { ...(await resolveScope(client, options)), state: options.state };
      const of = options.all ? 'everybody' : 'own';
      const requests = await Array.fromAsync(client.all<AccessRequest>(BASE, { ...query, of }));
      if (output.json) {
        output.data(requests);
        return;
      }
      const wording = await Wording.of(client);
      const name = await wording.names(requests.map(({ requester }) => requester));
      output.table(requests, [
        { title: 'request', value: ({ id }) => id },
        { title: 'state', value: ({ state }) => state },
        { title: 'requester', value: (request) => name((request as AccessRequest).requester) },
        { title: 'role', value: ({ role }) => role },
        { title: 'where', value: (request) => wording.place((request as AccessRequest).scope) },
        { title: 'until', value: (request) => request['validUntil'] },
        { title: 'reason', value: (request) => request['reason'] },
      ]);
    });

const showCommand = (sessionOf: SessionOf): Command =>
  new Command('show')
    .description('Shows what is asked for, why, and the answer.')
    .argument('<request>', 'id of the request')
    .action(async (id: string, _options: object, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const client = open();
      const request = await client.get<AccessRequest>(pathOf(id));
      if (output.json) output.data(request);
      else await show(output, client, request);
    });

interface AskOptions extends ScopeOptions, EndOptions {
  readonly role: string;
  readonly reason: string;
}

const askCommand = (sessionOf: SessionOf): Command =>
  new Command('ask')
    .description('Asks for a role for yourself, for a time. Somebody else has to approve.')
    .requiredOption('--role <role>', 'key of the role')
    .option('--project <project>', 'only in this project (key or id)')
    .option('--environment <environment>', 'only in this environment (key or id)')
    .addOption(forOption())
    .option('--until <time>', 'until this time (RFC 3339)')
    .requiredOption('--reason <text>', 'why, for whoever approves')
    .action(async (options: AskOptions, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const validUntil = endOf(options);
      const client = open();
      const scope = await resolveScope(client, options);
      const body = { role: options.role, scope, validUntil, reason: options.reason };
      const request = await client.post<AccessRequest>(BASE, body);
      if (output.json) output.data(request);
      else await show(output, client, request);
    });

const answerCommand = (sessionOf: SessionOf, verb: 'approve' | 'deny', description: string): Command =>
  new Command(verb)
    .description(description)
    .argument('<request>', 'id of the request')
    .option('--reason <text>', 'why, for who asked')
    .action(async (id: string, { reason }: { readonly reason?: string }, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const client = open();
      const request = await client.get<AccessRequest>(pathOf(id));
      if (!output.json) await show(output, client, request);
      const comment = reason === undefined ? {} : { comment: reason };
      const answered = await client.post<AccessRequest>(pathOf(id, `/${verb}`), { hash: request.hash, ...comment });
      if (output.json) output.data(answered);
      else if (answered.grant === null) output.line(`Access request ${id} is ${answered.state}.`);
      else
        output.line(`Access request ${id} is approved: grant ${answered.grant.id} until ${answered.grant.validUntil}.`);
    });

const cancelCommand = (sessionOf: SessionOf): Command =>
  new Command('cancel')
    .description('Takes back what you asked for.')
    .argument('<request>', 'id of the request')
    .action(async (id: string, _options: object, command: Command) => {
      const { output, client } = sessionOf(command);
      const request = await client().post<AccessRequest>(pathOf(id, '/cancel'));
      if (output.json) output.data(request);
      else output.line(`Access request ${id} is ${request.state}.`);
    });

export const requestsCommand = (sessionOf: SessionOf): Command =>
  new Command('requests')
    .description('Access that people ask for, for a time.')
    .addCommand(listCommand(sessionOf))
    .addCommand(showCommand(sessionOf))
    .addCommand(askCommand(sessionOf))
    .addCommand(answerCommand(sessionOf, 'approve', 'Shows what is asked for and gives it, until it ends by itself.'))
    .addCommand(answerCommand(sessionOf, 'deny', 'Shows what is asked for and denies it.'))
    .addCommand(cancelCommand(sessionOf));
