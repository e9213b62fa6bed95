import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { REPOSITORY } from '@sallyport/dev-env';

import { HttpClient } from './http-client.ts';
import type { Server } from './server.ts';

/** Apache-2.0. Not a dependency: 420 packages and 250 MB for one column of one table. */
const PEER = '@boxyhq/saml-jackson';
const VERSION = '26.2.0';
const MAIN = fileURLToPath(new URL('./peer-main.ts', import.meta.url));

/** Installs the peer beside what `npm ci` installed, once; nothing of it is run while it is installed. */
const install = async (): Promise<string> => {
  const directory = join(REPOSITORY, 'node_modules/.cache/sallyport-bench', `saml-jackson-${VERSION}`);
  if (existsSync(directory)) return directory;
  const unfinished = `${directory}.${String(process.pid)}`;
  mkdirSync(unfinished, { recursive: true });
  writeFileSync(join(unfinished, 'package.json'), '{"private":true}');
  console.error(`installing ${PEER} ${VERSION} to compare with, about 250 MB`);
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--omit=optional', '--save-exact'];
  try {
    await promisify(execFile)('npm', ['install', ...flags, `${PEER}@${VERSION}`], { cwd: unfinished });
    renameSync(unfinished, directory);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return directory;
};

/** The peer's directory sync, in a process and a database of its own on the same server. */
export interface Peer {
  createUser(user: object): Promise<void>;
  close(): Promise<void>;
}

export const startPeer = async (server: Server): Promise<Peer> => {
  const installation = await install();
  const url = await server.newDatabase('peer');
  const child = spawn(process.execPath, [MAIN, installation, url], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  const [ready] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => {
      throw new Error('the peer did not start');
    }),
  ])) as [{ port: number; secret: string }];
  const client = new HttpClient(ready.port);
  const headers = { authorization: `Bearer ${ready.secret}`, 'content-type': 'application/scim+json' };
  return {
    createUser: async (user) => {
      const { status, text } = await client.send('POST', '/Users', headers, JSON.stringify(user));
      if (status !== 201) throw new Error(`the peer answered ${String(status)} ${text}`);
    },
    close: async () => {
      client.close();
      if (child.exitCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
};
