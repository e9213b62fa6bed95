import { spawn, type ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { identifyProcess, signalQuietly, TERMINATE, type ProcessIdentity, type SignalStep } from './processes.ts';

/** What the guard is told, one JSON line each. */
export type GuardMessage =
  | { readonly kind: 'process'; readonly identity: ProcessIdentity; readonly steps: readonly SignalStep[] }
  | { readonly kind: 'process-gone'; readonly pid: number }
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'directory-gone'; readonly path: string };

let guard: ChildProcess | undefined;
const guardedPids = new Map<number, NodeJS.Signals>();

/**
 * Promises that a child process does not outlive this process, however this process ends (also by
 * kill -9): a small guard process ends it through `steps` when we are gone.
 */
export function guardProcess(pid: number, steps: readonly SignalStep[] = TERMINATE): void {
  const identity = identifyProcess(pid);
  if (identity === null) return;
  guardedPids.set(pid, steps[0]?.signal ?? 'SIGTERM');
  tell({ kind: 'process', identity, steps });
}

/** Takes back {@link guardProcess} after the process has ended. */
export function unguardProcess(pid: number): void {
  if (guardedPids.delete(pid)) tell({ kind: 'process-gone', pid });
}

/** Promises that a throw-away directory is removed when this process is gone. */
export function guardDirectory(path: string): void {
  tell({ kind: 'directory', path });
}

/** Takes back {@link guardDirectory}. */
export function unguardDirectory(path: string): void {
  tell({ kind: 'directory-gone', path });
}

/** Kills every guarded process at once, without asking: for a person who has run out of patience. */
export function killGuarded(): void {
  for (const [pid, signal] of guardedPids) signalQuietly(pid, signal === 'SIGTERM' ? 'SIGKILL' : 'SIGQUIT');
}

function tell(message: GuardMessage): void {
  guard ??= startGuard();
  guard.stdin?.write(`${JSON.stringify(message)}\n`);
}

function startGuard(): ChildProcess {
  const child = spawn(process.execPath, [fileURLToPath(new URL('guard-main.ts', import.meta.url))], {
    cwd: '/',
    // A group of its own: Ctrl-C and a kill of our process group pass it by.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: {},
  });
  // A guard that cannot be started or was killed must not take its owner with it.
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  // Neither may keep a finished process from ending.
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  // The guard needs a moment to notice; at an orderly exit the children hear of it at once.
  process.once('exit', () => {
    for (const [pid, signal] of guardedPids) signalQuietly(pid, signal);
  });
  return child;
}
