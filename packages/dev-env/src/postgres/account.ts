import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DevEnvironmentError } from '../errors.ts';

/** An existing account without privileges, under which the database server runs when we are root. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const PREFERRED_ACCOUNTS = ['postgres', 'nobody', 'daemon'];

/** The account to use out of the text of /etc/passwd: postgres, else nobody, else daemon, else any that is not root. */
export function chooseAccount(passwd: string): Account | null {
  const accounts = passwd.split('\n').flatMap((line): Account[] => {
    const [name = '', , uid = '', gid = ''] = line.split(':');
    if (name === '' || !/^\d+$/.test(uid) || !/^\d+$/.test(gid) || Number(uid) === 0) return [];
    return [{ name, uid: Number(uid), gid: Number(gid) }];
  });
  const preferred = PREFERRED_ACCOUNTS.map((name) => accounts.find((account) => account.name === name));
  return preferred.find((account) => account !== undefined) ?? accounts[0] ?? null;
}

/**
 * The account the server must be run as: `null` means as ourselves. PostgreSQL refuses to run as root.
 *
 * @throws NO_UNPRIVILEGED_ACCOUNT when we are root and /etc/passwd names nobody else.
 */
export function serverAccount(): Account | null {
  if (process.getuid?.() !== 0) return null;
  const account = chooseAccount(readFileSync('/etc/passwd', 'utf8'));
  if (account !== null) return account;
  throw new DevEnvironmentError(
    'NO_UNPRIVILEGED_ACCOUNT',
    'PostgreSQL refuses to run as root and /etc/passwd has no other account: run this as an ordinary user, or set DATABASE_URL to a PostgreSQL of yours.',
  );
}

/** Whether the account may pass through `directory` and everything above it, by permission bits. */
export function mayTraverse(account: Account, directory: string): boolean {
  let path: string;
  try {
    path = realpathSync(directory);
  } catch {
    return false;
  }
  for (;;) {
    const { mode, uid, gid } = statSync(path);
    const executeBit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & executeBit) === 0) return false;
    const parent = dirname(path);
    if (parent === path) return true;
    path = parent;
  }
}
