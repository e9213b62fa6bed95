import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const MAX_LOG_BYTES = 10 * 1024 * 1024;
const POLL_MS = 250;
const TAIL_BYTES = 64 * 1024;

/** Opens a child's log for appending (0600). One older file is kept once it has grown beyond 10 MiB. */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (existsSync(path) && statSync(path).size > MAX_LOG_BYTES) renameSync(path, `${path}.1`);
  return openSync(path, 'a', 0o600);
}

/** Follows what is appended to a log. */
export interface LogFollower {
  /** Reads what is there now, without waiting for the next look. */
  flush(): void;
  close(): void;
}

/**
 * Calls `onLine` for every line appended to the file from now on. The child writes the file itself
 * and never waits for us: a busy or stopped launcher does not slow it down.
 */
export function followLog(path: string, onLine: (line: string) => void): LogFollower {
  let position = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  let rest = Buffer.alloc(0);
  const look = (): void => {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size < position) position = 0;
    if (size === position) return;
    const read = readRange(path, position, size);
    position += read.length;
    const text = Buffer.concat([rest, read]);
    const end = text.lastIndexOf(0x0a) + 1;
    rest = Buffer.from(text.subarray(end));
    for (const line of text.subarray(0, end).toString('utf8').split('\n')) if (line !== '') onLine(line);
  };
  const timer = setInterval(look, POLL_MS);
  timer.unref();
  return {
    flush: look,
    close() {
      clearInterval(timer);
      look();
    },
  };
}

/** The last lines of a log, oldest first; empty when there is none. */
export function lastLines(path: string): string[] {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const text = size === 0 ? '' : readRange(path, Math.max(0, size - TAIL_BYTES), size).toString('utf8');
  return text.split('\n').filter((line) => line !== '');
}

function readRange(path: string, from: number, to: number): Buffer {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(to - from);
    return buffer.subarray(0, readSync(file, buffer, 0, buffer.length, from));
  } finally {
    closeSync(file);
  }
}
