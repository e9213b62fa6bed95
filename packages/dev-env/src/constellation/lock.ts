import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '@sallyport/storage';
import { DevEnvironmentError } from '../errors.ts';
import { privateDirectory, readJsonIfThere, writePrivateFile } from '../files.ts';
import { identifyProcess, isRunning, toProcessIdentity, type ProcessIdentity } from '../processes.ts';
import { endLeftover } from '../supervise/child.ts';

/** Hold on a state directory; only one process may run a constellation on it. */
export interface StateLock {
  /** Tells a next owner that waiting is worth it. */
  readonly stopping: () => void;
  readonly release: () => void;
}

/** How long a start waits for a constellation on the same state that is just stopping, ms. */
const STOPPING_TIMEOUT_MS = 30_000;

/**
 * Takes the state directory for this process, waiting for an owner that is just stopping, and ends
 * what an earlier owner, killed without warning, left running.
 *
 * @throws ALREADY_RUNNING when a living process holds it.
 */
export async function lockState(stateDir: string, onLeftover: (name: string, pid: number) => void): Promise<StateLock> {
  privateDirectory(stateDir);
  const file = join(stateDir, 'launcher.json');
  const deadline = systemClock.monotonicMs() + STOPPING_TIMEOUT_MS;
  while (!take(file)) {
    const owner = ownerOf(file);
    if (owner === null) {
      rmSync(file, { force: true });
    } else if (!owner.stopping || systemClock.monotonicMs() > deadline) {
      throw new DevEnvironmentError(
        'ALREADY_RUNNING',
        `Sallyport is already running on ${stateDir} (process ${owner.pid}): stop that one first.`,
      );
    }
    await delay(50);
  }
  await endLeftovers(join(stateDir, 'run'), onLeftover);
  return {
    stopping: () => {
      if (ownerOf(file)?.pid !== process.pid) return;
      writePrivateFile(file, JSON.stringify({ ...identifyProcess(process.pid), stopping: true }));
    },
    release: () => {
      rmSync(file, { force: true });
    },
  };
}

/** The living process that holds the state; `null` when it is gone or the note of it was torn. */
function ownerOf(file: string): (ProcessIdentity & { readonly stopping: boolean }) | null {
  const note = readJsonIfThere(file);
  const owner = toProcessIdentity(note);
  if (owner === null || !isRunning(owner)) return null;
  return { ...owner, stopping: typeof note === 'object' && note !== null && 'stopping' in note };
}

function take(file: string): boolean {
  try {
    writeFileSync(file, JSON.stringify(identifyProcess(process.pid)), { flag: 'wx', mode: 0o600 });
    return true;
  } catch {
    return false;
  }
}

async function endLeftovers(runDir: string, onLeftover: (name: string, pid: number) => void): Promise<void> {
  if (!existsSync(runDir)) return;
  const ending = readdirSync(runDir)
    .filter((name) => name.endsWith('.json'))
    .map(async (name) => {
      const pid = await endLeftover(join(runDir, name));
      if (pid !== null) onLeftover(name.replace('.json', ''), pid);
    });
  await Promise.all(ending);
}
