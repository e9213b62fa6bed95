import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Creates a directory only its owner can enter (0700), tightening an existing one. */
export function privateDirectory(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
  return path;
}

/** Writes a file only its owner can read (0600), whole or not at all: a reader never sees half of it. */
export function writePrivateFile(path: string, content: string | Buffer): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  writeFileSync(temporary, content, { mode: 0o600, flag: 'wx' });
  renameSync(temporary, path);
}

/** The content of a file, or `null` when it is not there. */
export function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Parsed JSON of a file, or `null` when the file is missing or not JSON (torn by a crash). */
export function readJsonIfThere(path: string): unknown {
  const text = readIfThere(path);
  if (text === null) return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/** The content of a private file, made once with `create` and kept from then on. */
export function keepPrivateFile(path: string, create: () => string): string {
  const existing = readIfThere(path);
  if (existing !== null && existing !== '') return existing;
  const content = create();
  writePrivateFile(path, content);
  return content;
}
