import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** A process, told apart from a later one that was given the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal only for the same process. See {@link processStamp}. */
  readonly stamp: string;
}

/**
 * A stamp of the running process `pid` that differs after the number is reused (also across
 * reboots), or `null` when there is no such process. A zombie counts as gone.
 */
export function processStamp(pid: number): string | null {
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  return process.platform === 'linux' ? linuxStamp(pid) : portableStamp(pid);
}

function linuxStamp(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command may contain blanks and brackets: the fields start after its last bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return null;
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return `${bootId}/${fields[19]}`;
  } catch {
    return null;
  }
}

function portableStamp(pid: number): string | null {
  const { status, stdout } = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' });
  const line = stdout.trim();
  return status !== 0 || line === '' || line.startsWith('Z') ? null : line.replace(/^\S+\s+/, '');
}

/** The command line of a running process, for telling whose it is; empty when it cannot be read. */
export function processCommand(pid: number): string {
  if (process.platform !== 'linux') {
    return spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim();
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** The identity of a running process, or `null` when there is none with this number. */
export function identifyProcess(pid: number): ProcessIdentity | null {
  const stamp = processStamp(pid);
  return stamp === null ? null : { pid, stamp };
}

/** Whether exactly this process (not a later one with its number) still runs. */
export function isRunning(identity: ProcessIdentity): boolean {
  return processStamp(identity.pid) === identity.stamp;
}

/** Reads an identity out of parsed JSON of unknown shape. */
export function toProcessIdentity(value: unknown): ProcessIdentity | null {
  if (typeof value !== 'object' || value === null || !('pid' in value) || !('stamp' in value)) return null;
  const { pid, stamp } = value;
  return typeof pid === 'number' && typeof stamp === 'string' ? { pid, stamp } : null;
}

/** One step of an escalation: send `signal`, then give the process `graceMs` to go. */
export interface SignalStep {
  readonly signal: NodeJS.Signals;
  readonly graceMs: number;
}

const POLL_MS = 15;

/** SIGTERM with 5 s to obey, then SIGKILL. */
export const TERMINATE: readonly SignalStep[] = [
  { signal: 'SIGTERM', graceMs: 5_000 },
  { signal: 'SIGKILL', graceMs: 2_000 },
];

/**
 * Ends exactly this process by escalating through `steps`; returns whether it is gone.
 * Never signals another process that got the same number meanwhile.
 */
export async function endProcess(
  identity: ProcessIdentity,
  steps: readonly SignalStep[] = TERMINATE,
): Promise<boolean> {
  for (const { signal, graceMs } of steps) {
    if (!isRunning(identity)) return true;
    signalQuietly(identity.pid, signal);
    for (let waitedMs = 0; waitedMs < graceMs; waitedMs += POLL_MS) {
      if (!isRunning(identity)) return true;
      await delay(POLL_MS);
    }
  }
  return !isRunning(identity);
}

/** Sends a signal; a process that is already gone, or not ours, is no error. */
export function signalQuietly(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
