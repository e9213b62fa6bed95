import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { DevEnvironmentError } from '../errors.ts';
import { readJsonIfThere, writePrivateFile } from '../files.ts';
import { mayTraverse, type Account } from './account.ts';
import type { Binaries } from './binaries.ts';
import { endLockHolder } from './leftover.ts';
import { abandonedPlaces, openPlaceFor } from './place.ts';

/** Name of the superuser of every embedded cluster. */
export const ADMIN_ROLE = 'sallyport_admin';

const clusterRecord = z.object({
  id: z.string(),
  directory: z.string(),
  password: z.string(),
  /** False until initdb is done: only then is a missing directory data that is gone. */
  initialised: z.boolean().default(false),
});

/** One initialised cluster: where its files are and how its superuser logs in. */
export interface Cluster {
  /** The PGDATA directory; outside of the state directory when the server account cannot enter that. */
  readonly directory: string;
  readonly password: string;
}

/**
 * The cluster that belongs to `dataDir`, initialised on first use. `dataDir` keeps the record of it
 * (0600: the superuser's password); a cluster whose record is gone is never opened again, its files
 * are removed. Interrupted initialisation leaves nothing that would be taken for a cluster.
 *
 * @throws DATABASE_FAILED when initdb fails, STATE_DAMAGED when the cluster is of another major version or
 *   its files are gone: data that was there is never replaced by an empty cluster in silence.
 */
export async function openCluster(dataDir: string, account: Account | null, binaries: Binaries): Promise<Cluster> {
  // Anybody may pass through, to the cluster inside that only its owner can open; files here are 0600.
  mkdirSync(dataDir, { recursive: true });
  chmodSync(dataDir, account === null ? 0o700 : 0o711);
  const recordFile = join(dataDir, 'cluster.json');
  const parsed = clusterRecord.safeParse(readJsonIfThere(recordFile));
  let record = parsed.data;
  if (record === undefined) {
    const id = randomBytes(6).toString('hex');
    const parent = account === null || mayTraverse(account, dataDir) ? dataDir : openPlaceFor(account, dataDir);
    await removeStrayClusters(parent);
    if (parent !== dataDir) await removeAbandoned(parent);
    const password = randomBytes(24).toString('base64url');
    record = { id, directory: join(parent, `cluster-${id}`), password, initialised: false };
    writePrivateFile(recordFile, JSON.stringify(record));
  }
  if (!existsSync(join(record.directory, 'PG_VERSION'))) {
    if (record.initialised) throw filesAreGone(record, dataDir);
    // The place may have been cleared since the record was written; made anew it is open to the account.
    if (account !== null && dirname(record.directory) !== dataDir) openPlaceFor(account, dataDir);
    initialise(record, account, binaries);
  }
  if (!record.initialised) writePrivateFile(recordFile, JSON.stringify({ ...record, initialised: true }));
  requireSameMajor(record.directory, binaries, dataDir);
  return record;
}

const filesAreGone = (record: Cluster, dataDir: string): DevEnvironmentError =>
  new DevEnvironmentError(
    'STATE_DAMAGED',
    `The database of ${dataDir} is gone (its files were in ${record.directory}): delete ${dirname(dataDir)} to start anew.`,
  );

/** Clusters in a place of ours that no record names any more: their state directory was deleted. */
async function removeStrayClusters(parent: string): Promise<void> {
  for (const name of entriesOf(parent).filter((entry) => entry.startsWith('cluster-'))) {
    await endLockHolder(join(parent, name));
    rmSync(join(parent, name), { recursive: true, force: true });
  }
}

/** None when another process has removed it meanwhile. */
function entriesOf(parent: string): string[] {
  try {
    return readdirSync(parent);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** What killed tests left in the root-owned place. */
async function removeAbandoned(parent: string): Promise<void> {
  for (const place of abandonedPlaces(parent)) {
    await removeStrayClusters(place);
    rmSync(place, { recursive: true, force: true });
  }
}

function initialise(record: Cluster, account: Account | null, binaries: Binaries): void {
  const partial = `${record.directory}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true, mode: 0o700 });
  const passwordFile = join(partial, 'password');
  const data = join(partial, 'data');
  writeFileSync(passwordFile, record.password, { mode: 0o600 });
  if (account !== null) {
    for (const path of [passwordFile, partial]) chownSync(path, account.uid, account.gid);
  }
  const options = [
    ['--pgdata', data],
    ['--username', ADMIN_ROLE],
    ['--pwfile', passwordFile],
    ['--auth', 'scram-sha-256'],
    // The built-in provider exists on every system and sorts the same on all of them.
    ['--encoding', 'UTF8', '--locale', 'C', '--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8'],
    ['--no-sync', '--no-instructions'],
  ].flat();
  const { status, error, stderr } = spawnSync(binaries.initdb, options, {
    cwd: partial,
    encoding: 'utf8',
    env: { TZ: 'UTC', LC_ALL: 'C' },
    ...(account !== null && { uid: account.uid, gid: account.gid }),
  });
  if (status !== 0) {
    rmSync(partial, { recursive: true, force: true });
    const said = error?.message ?? stderr.trim().split('\n').at(-1) ?? '';
    throw new DevEnvironmentError(
      'DATABASE_FAILED',
      `PostgreSQL could not be initialised in ${dirname(record.directory)}: ${said}`,
    );
  }
  rmSync(record.directory, { recursive: true, force: true });
  renameSync(data, record.directory);
  rmSync(partial, { recursive: true, force: true });
}

function requireSameMajor(directory: string, binaries: Binaries, dataDir: string): void {
  const found = readFileSync(join(directory, 'PG_VERSION'), 'utf8').trim();
  const [major] = binaries.version.split('.');
  if (found === major) return;
  throw new DevEnvironmentError(
    'STATE_DAMAGED',
    `The data in ${dataDir} was written by PostgreSQL ${found} and the embedded one is ${major}: move that directory away to start afresh.`,
  );
}
