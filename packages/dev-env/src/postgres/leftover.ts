import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DevEnvironmentError } from '../errors.ts';
import { readIfThere, readJsonIfThere, writePrivateFile } from '../files.ts';
import {
  endProcess,
  identifyProcess,
  isRunning,
  processCommand,
  toProcessIdentity,
  type ProcessIdentity,
  type SignalStep,
} from '../processes.ts';

/** Fast shutdown, then immediate shutdown, then kill: what PostgreSQL means by these signals. */
export const SHUTDOWN: readonly SignalStep[] = [
  { signal: 'SIGINT', graceMs: 10_000 },
  { signal: 'SIGQUIT', graceMs: 5_000 },
  { signal: 'SIGKILL', graceMs: 2_000 },
];

const recordFile = (dataDir: string): string => join(dataDir, 'server.json');

/** Notes who runs the cluster, so that the next start can tell a running server from a leftover. */
export function recordServer(dataDir: string, server: ProcessIdentity): void {
  writePrivateFile(recordFile(dataDir), JSON.stringify({ owner: identifyProcess(process.pid), server }));
}

/** Forgets the note of {@link recordServer}. */
export function forgetServer(dataDir: string): void {
  rmSync(recordFile(dataDir), { force: true });
}

/**
 * Makes the cluster startable after whatever happened to its last owner: ends a server whose owner
 * is gone, removes a lock file whose number now belongs to a stranger. Never touches a server whose
 * owner lives.
 *
 * @throws ALREADY_RUNNING when a living owner runs it, DATABASE_FAILED when a leftover does not go.
 */
export async function clearLeftovers(dataDir: string, directory: string): Promise<void> {
  const record = readJsonIfThere(recordFile(dataDir));
  const owner = fieldOf(record, 'owner');
  const server = fieldOf(record, 'server');
  if (owner !== null && server !== null && isRunning(owner) && isRunning(server)) {
    throw new DevEnvironmentError(
      'ALREADY_RUNNING',
      `The database in ${dataDir} is in use by process ${owner.pid}: stop that first.`,
    );
  }
  if (server !== null) await end(server, directory);
  await endLockHolder(directory);
  forgetServer(dataDir);
}

/**
 * Ends the server that the lock file of a cluster names, if that process really serves the cluster,
 * and removes the lock file.
 *
 * @throws DATABASE_FAILED when it does not go.
 */
export async function endLockHolder(directory: string): Promise<void> {
  const lockFile = join(directory, 'postmaster.pid');
  const [pid = '', locked = ''] = readIfThere(lockFile)?.split('\n') ?? [];
  const holder = locked === directory ? identifyProcess(Number(pid)) : null;
  if (holder !== null && processCommand(holder.pid).includes(directory)) await end(holder, directory);
  rmSync(lockFile, { force: true });
}

async function end(server: ProcessIdentity, directory: string): Promise<void> {
  if (await endProcess(server, SHUTDOWN)) return;
  throw new DevEnvironmentError(
    'DATABASE_FAILED',
    `A PostgreSQL left over in ${directory} (process ${server.pid}) does not stop.`,
  );
}

function fieldOf(record: unknown, name: 'owner' | 'server'): ProcessIdentity | null {
  if (typeof record !== 'object' || record === null) return null;
  return toProcessIdentity((record as Readonly<Record<typeof name, unknown>>)[name]);
}
