import { Command, CommanderError } from 'commander';

import { Client } from './client.ts';
import { explainCommand, whoCanCommand } from './commands/ask.ts';
import { auditCommand } from './commands/audit.ts';
import { checkCommand } from './commands/check.ts';
import { accountsCommand, groupsCommand, projectsCommand } from './commands/directory.ts';
import { driftCommand } from './commands/drift.ts';
import { grantsCommand } from './commands/grants.ts';
import { loginCommand, logoutCommand, whoamiCommand } from './commands/login.ts';
import { policyCommand } from './commands/policy.ts';
import { proposalsCommand, protectionsCommand } from './commands/proposals.ts';
import { requestsCommand } from './commands/requests.ts';
import { reviewsCommand } from './commands/reviews.ts';
import { rolesCommand } from './commands/roles.ts';
import { readCredentials } from './config.ts';
import { CliError, EXIT, type ExitCode } from './exit-codes.ts';
import { Output } from './output.ts';

/** What a command gets: where to print, and the API once somebody is logged in. */
export interface Session {
  readonly output: Output;
  readonly origin: string | undefined;
  client(): Client;
  /** A command that ends well with something else than 0 (a denial). */
  exit(code: ExitCode): void;
}

export type SessionOf = (command: Command) => Session;

const EXIT_HELP = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not authenticated, 4 denied, 5 not found, 6 conflict, 7 unavailable`;

/** Commands made on their own inherit nothing: each is told not to end the process, and where not to print. */
const settle = (command: Command, isQuiet: boolean): void => {
  command.exitOverride();
  if (isQuiet) command.configureOutput({ writeErr: () => undefined });
  else command.showHelpAfterError('(add --help for the options)');
  for (const below of command.commands) settle(below, isQuiet);
};

const buildProgram = (sessionOf: SessionOf, isQuiet: boolean): Command => {
  const program = new Command('sallyport')
    .description('Administers a Sallyport deployment over its public API.')
    .option('--origin <url>', 'address of the deployment (default: the one logged in to, else http://localhost:8080)')
    .option('--json', 'print JSON, one value a line', false)
    .addHelpText('after', EXIT_HELP);
  const commands = [
    loginCommand,
    logoutCommand,
    whoamiCommand,
    rolesCommand,
    grantsCommand,
    projectsCommand,
    accountsCommand,
    groupsCommand,
    checkCommand,
    explainCommand,
    whoCanCommand,
    policyCommand,
    requestsCommand,
    reviewsCommand,
    proposalsCommand,
    protectionsCommand,
    auditCommand,
    driftCommand,
  ];
  for (const command of commands) program.addCommand(command(sessionOf));
  settle(program, isQuiet);
  return program;
};

const usageError = ({ code, message }: CommanderError): CliError =>
  new CliError(EXIT.usage, code === 'commander.help' ? 'A command is missing.' : message.replace(/^error: /, ''), {
    hint: 'Add --help for the commands and their options.',
  });

/** Runs one command line and returns its exit code; never throws. */
export const run = async (argv: readonly string[]): Promise<ExitCode> => {
  let exitCode: ExitCode = EXIT.ok;
  const sessionOf: SessionOf = (command) => {
    const { origin, json } = command.optsWithGlobals<{ origin?: string; json: boolean }>();
    return {
      output: new Output(json),
      origin,
      client: () => new Client(readCredentials(origin)),
      exit: (code) => {
        exitCode = code;
      },
    };
  };
  const isJson = argv.includes('--json');
  const program = buildProgram(sessionOf, isJson);
  try {
    await program.parseAsync([...argv]);
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return new Output(isJson).failure(error);
    if (error.exitCode === 0) return EXIT.ok;
    // Without --json commander has said what is wrong already.
    return isJson ? new Output(true).failure(usageError(error)) : EXIT.usage;
  }
};
