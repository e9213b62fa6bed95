import { createHash } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DevEnvironmentError } from '../errors.ts';
import { readIfThere } from '../files.ts';
import { mayTraverse, type Account } from './account.ts';

/** Names the path a place stands for. */
const OWNER_FILE = 'belongs-to';

/**
 * Where things go that the server account must reach while the checkout or the state directory is
 * closed to it (a clone under /root, a state directory of mode 0700): a directory owned by root,
 * named for the path it stands for, in the first of these that can be had.
 */
const OPEN_ROOTS = ['/var/lib/sallyport', '/var/tmp/sallyport', join(tmpdir(), 'sallyport')];

/**
 * The directory that stands for `path` under a root-owned place the account can enter, for example
 * `/var/lib/sallyport/3f9a…`. Only root can write in it, so nobody else can plant what we run.
 *
 * @throws STATE_DAMAGED when none of the places can be used.
 */
export function openPlaceFor(account: Account, path: string, roots: readonly string[] = OPEN_ROOTS): string {
  const name = createHash('sha256').update(path).digest('hex').slice(0, 16);
  for (const root of roots) {
    if (!ownedDirectory(root) || !mayTraverse(account, root)) continue;
    const place = join(root, name);
    if (!ownedDirectory(place) || !mayTraverse(account, place)) continue;
    writeFileSync(join(place, OWNER_FILE), path);
    return place;
  }
  throw new DevEnvironmentError(
    'STATE_DAMAGED',
    `Found no directory for the database that the account "${account.name}" can enter and only root can write (tried ${roots.join(', ')}): set DATABASE_URL to a PostgreSQL of yours, or run as an ordinary user.`,
  );
}

/**
 * The places beside `place` that stand for a temporary directory which is gone: left by tests that
 * were killed. A path elsewhere may only be unmounted at the moment; its place is never abandoned.
 */
export function abandonedPlaces(place: string): string[] {
  const root = dirname(place);
  return readdirSync(root)
    .map((name) => join(root, name))
    .filter((candidate) => {
      const path = readIfThere(join(candidate, OWNER_FILE));
      return path !== null && path.startsWith(`${tmpdir()}/`) && !existsSync(path);
    });
}

/** Makes the directory when it is missing; true when it is a real directory, ours, and writable by us alone. */
function ownedDirectory(path: string): boolean {
  try {
    mkdirSync(path);
    // Not through the mode of mkdir: a umask such as 077 would close it to the account again.
    chmodSync(path, 0o755);
  } catch {
    // It may be there already: what counts is what it is now.
  }
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
}
