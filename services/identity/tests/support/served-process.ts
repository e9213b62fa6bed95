import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { NODE_FLAGS, type TestDatabase } from '@sallyport/dev-env';

import { definition } from '../../src/config.ts';
import { testConfig } from './identity.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** The settings of a process on a database, as its environment. */
const environmentOf = async (database: TestDatabase): Promise<Record<string, string>> => {
  const values = new Map<string, unknown>(Object.entries(await testConfig(database.url, 300)));
  const settings = Object.entries(definition).flatMap(([key, { name }]) => {
    const value = values.get(key);
    return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
      ? [[name, String(value)] as const]
      : [];
  });
  return Object.fromEntries([...settings, ['SALLYPORT_LOG_LEVEL', 'info']]);
};

/** The service as it is deployed: a process of its own, its intrinsics frozen. */
export interface ServedProcess {
  readonly child: ChildProcess;
  readonly httpPort: number;
  /** What it says next under this `msg`. */
  said(message: string): Promise<Readonly<Record<string, unknown>>>;
  /** Ends it at once, and waits until it has. */
  kill(): Promise<void>;
}

/** Starts the service and waits until it says that it is ready. `preload`: a module that is loaded into it first. */
export const startProcess = async (database: TestDatabase, preload?: URL): Promise<ServedProcess> => {
  const env = await environmentOf(database);
  const args = [...NODE_FLAGS, ...(preload === undefined ? [] : ['--import', preload.href]), MAIN];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout);
  const said: ServedProcess['said'] = async (message) => {
    const { promise, resolve, reject } = Promise.withResolvers<Readonly<Record<string, unknown>>>();
    const onExit = (code: number | null): void => {
      reject(new Error(`ended with ${String(code)}`));
    };
    const onLine = (line: string): void => {
      const entry = JSON.parse(line) as Readonly<Record<string, unknown>>;
      if (entry['msg'] === message) resolve(entry);
    };
    child.once('exit', onExit);
    lines.on('line', onLine);
    try {
      return await promise;
    } finally {
      child.off('exit', onExit);
      lines.off('line', onLine);
    }
  };
  const { httpPort } = await said('ready');
  if (typeof httpPort !== 'number') throw new Error('no port');
  return {
    child,
    httpPort,
    said,
    kill: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
};
