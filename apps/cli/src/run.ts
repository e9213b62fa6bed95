import { Command, CommanderError } from 'commander';

import { Client } from './client.ts';
import { auditCommand } from './commands/audit.ts';
import { checkCommand } from './commands/check.ts';
import { grantsCommand } from './commands/grants.ts';
import { loginCommand, logoutCommand, whoamiCommand } from './commands/login.ts';
import { rolesCommand } from './commands/roles.ts';
import { readCredentials } from './config.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
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

const buildProgram = (sessionOf: SessionOf): Command => {
  const program = new Command('sallyport')
    .description('Administers a Sallyport deployment over its public API.')
    .option('--origin <url>', 'address of the deployment (default: the one logged in to, else http://localhost:8080)')
    .option('--json', 'print JSON, one value a line', false)
    .addHelpText('after', EXIT_HELP)
    .showHelpAfterError('(add --help for the options)')
    .exitOverride();
  const commands = [
    loginCommand,
    logoutCommand,
    whoamiCommand,
    rolesCommand,
    grantsCommand,
    checkCommand,
    auditCommand,
  ];
  for (const command of commands) program.addCommand(command(sessionOf));
  return program;
};

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
  const program = buildProgram(sessionOf);
  try {
    await program.parseAsync([...argv]);
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return new Output(argv.includes('--json')).failure(error);
  }
};
