import process from 'node:process';

import { Command } from 'commander';

import { Client } from '../client.ts';
import { DEFAULT_ORIGIN, forgetCredentials, storeCredentials } from '../config.ts';
import { CliError, EXIT } from '../exit-codes.ts';
import type { SessionOf } from '../run.ts';

const readStdin = async (): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8').trim();
};

/** `login`: checks the token against the server before it is stored. */
export const loginCommand = (sessionOf: SessionOf): Command =>
  new Command('login')
    .description('Stores an API token after checking it.')
    .option('--token <token>', 'the API token; "-" reads it from standard input', '-')
    .action(async (options: { token: string }, command: Command) => {
      const { output, origin = DEFAULT_ORIGIN } = sessionOf(command);
      if (options.token === '-' && process.stdin.isTTY)
        output.note('Paste the API token, then press Enter and Ctrl-D.');
      const token = options.token === '-' ? await readStdin() : options.token;
      if (token === '') throw new CliError(EXIT.usage, 'There is no token.', { hint: 'Give --token, or pipe it in.' });
      const me = await new Client({ origin, token }).get('/api/identity/v1/me');
      storeCredentials({ origin, token });
      if (output.json) output.data(me);
      else output.line(`Logged in to ${origin} as ${String(me['displayName'] ?? me['subjectId'])}.`);
    });

export const logoutCommand = (sessionOf: SessionOf): Command =>
  new Command('logout')
    .description('Forgets the stored token (it stays valid).')
    .action((_options, command: Command) => {
      const { output } = sessionOf(command);
      forgetCredentials();
      if (output.json) output.data({ loggedOut: true });
      else output.line('The stored token is forgotten. Revoke it to make it invalid.');
    });

export const whoamiCommand = (sessionOf: SessionOf): Command =>
  new Command('whoami').description('Shows who the token acts as.').action(async (_options, command: Command) => {
    const { output, client } = sessionOf(command);
    const me = await client().get('/api/identity/v1/me');
    if (output.json) output.data(me);
    else
      output.table(
        [me],
        ['displayName', 'subjectId', 'type', 'orgSlug'].map((name) => ({ title: name, value: (item) => item[name] })),
      );
  });
