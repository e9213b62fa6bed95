import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DevEnvironmentError } from '../errors.ts';
import { privateDirectory, readJsonIfThere } from '../files.ts';
import { identifyProcess, isRunning, toProcessIdentity } from '../processes.ts';
import { endLeftover } from '../supervise/child.ts';

/** Hold on a state directory; only one process may run a constellation on it. */
export interface StateLock {
  release(): void;
}

/**
 * Takes the state directory for this process and ends what an earlier owner, killed without warning,
 * left running.
 *
 * @throws ALREADY_RUNNING when a living process holds it.
 */
export async function lockState(stateDir: string, onLeftover: (name: string, pid: number) => void): Promise<StateLock> {
  privateDirectory(stateDir);
  const file = join(stateDir, 'launcher.json');
  if (!take(file)) {
    const owner = toProcessIdentity(readJsonIfThere(file));
    if (owner !== null && isRunning(owner)) {
      throw new DevEnvironmentError(
        'ALREADY_RUNNING',
        `Sallyport is already running on ${stateDir} (process ${owner.pid}): stop that one first.`,
      );
    }
    rmSync(file, { force: true });
    if (!take(file)) throw new DevEnvironmentError('ALREADY_RUNNING', `Another process is just taking ${stateDir}.`);
  }
  await endLeftovers(join(stateDir, 'run'), onLeftover);
  return {
    release() {
      rmSync(file, { force: true });
    },
  };
}

function take(file: string): boolean {
  if (existsSync(file)) return false;
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
