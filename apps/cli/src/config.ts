import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';

import { CliError, EXIT } from './exit-codes.ts';

export const DEFAULT_ORIGIN = 'http://localhost:8080';

/** Where to send requests and with which token. */
export interface Credentials {
  readonly origin: string;
  readonly token: string;
}

/** `$SALLYPORT_CREDENTIALS`, else `sallyport/credentials.json` below the user's configuration folder. */
export const credentialsPath = (): string => {
  const own = process.env['SALLYPORT_CREDENTIALS'];
  if (own !== undefined && own !== '') return own;
  const base = process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config');
  return join(base, 'sallyport', 'credentials.json');
};

const readStored = (): Partial<Credentials> => {
  try {
    return JSON.parse(readFileSync(credentialsPath(), 'utf8')) as Partial<Credentials>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new CliError(EXIT.failed, `${credentialsPath()} cannot be read.`, { hint: 'Log in again to write it anew.' });
  }
};

/** The environment wins over what `login` stored. @throws CliError(unauthenticated) when there is no token at all. */
export const readCredentials = (originOption: string | undefined): Credentials => {
  const stored = readStored();
  const origin = originOption ?? process.env['SALLYPORT_ORIGIN'] ?? stored.origin ?? DEFAULT_ORIGIN;
  const token = process.env['SALLYPORT_TOKEN'] ?? stored.token;
  if (token === undefined || token === '') {
    throw new CliError(EXIT.unauthenticated, 'Not logged in.', {
      hint: 'Run "sallyport login --token <API token>", or set SALLYPORT_TOKEN.',
    });
  }
  // A token is for the origin it was stored with; another origin must not get to see it by accident.
  if (process.env['SALLYPORT_TOKEN'] === undefined && stored.origin !== undefined && stored.origin !== origin) {
    throw new CliError(EXIT.unauthenticated, `The stored token is for ${stored.origin}, not for ${origin}.`, {
      hint: `Run "sallyport login --origin ${origin} --token <API token>".`,
    });
  }
  return { origin, token };
};

/** Writes the file readable by its owner only. */
export const storeCredentials = (credentials: Credentials): void => {
  const path = credentialsPath();
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600 });
  chmodSync(path, 0o600);
};

export const forgetCredentials = (): void => {
  rmSync(credentialsPath(), { force: true });
};
