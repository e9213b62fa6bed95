import { execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { REPOSITORY, freePorts, waitFor } from '@sallyport/dev-env';
import { BUILT_IN_ROLES } from '@sallyport/policy/decisions';

import type { Contender } from './load.ts';
import type { Certificates } from './policy-process.ts';

export interface Peer extends Contender {
  close(): Promise<void>;
}

const ECHO = fileURLToPath(new URL('./echo-main.ts', import.meta.url));

/** The bare grpc-js server. */
export const startEcho = async ({ policy, flags }: Certificates): Promise<Peer> => {
  const child = fork(ECHO, [policy.caFile, policy.certFile, policy.keyFile]);
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return {
    name: 'echo',
    pid: child.pid ?? 0,
    target: { port, serverName: 'policy', certificate: flags },
    close: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
};

/** Apache-2.0. Not a dependency: a binary of 94 MB for one row of one table. */
const PACKAGE = 'cerbos';
const VERSION = '0.51.0';

/** Installs the peer beside what `npm ci` installed, once; nothing of it is run while it is installed. */
const install = async (): Promise<string> => {
  const directory = join(REPOSITORY, 'node_modules/.cache/sallyport-bench', `${PACKAGE}-${VERSION}`);
  const platform = `${PACKAGE}-${process.platform}-${process.arch}`;
  const binary = join(directory, 'node_modules/@cerbos', platform, platform);
  if (existsSync(binary)) return binary;
  const unfinished = `${directory}.${String(process.pid)}`;
  mkdirSync(unfinished, { recursive: true });
  writeFileSync(join(unfinished, 'package.json'), '{"private":true}');
  console.error(`installing ${PACKAGE} ${VERSION} to compare with, about 94 MB`);
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--save-exact'];
  try {
    await promisify(execFile)('npm', ['install', ...flags, `${PACKAGE}@${VERSION}`], { cwd: unfinished });
    renameSync(unfinished, directory);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  if (!existsSync(binary)) throw new Error(`${PACKAGE} ${VERSION} has no binary for ${platform}`);
  return binary;
};

/** One rule a role and place: what the role permits there, within the project the principal has it for. */
const resourcePolicy = (): object => ({
  apiVersion: 'api.cerbos.dev/v1',
  resourcePolicy: {
    version: 'default',
    resource: 'environment',
    rules: BUILT_IN_ROLES.flatMap((role) =>
      Object.entries(role.permissions)
        .filter(([, names]) => names.length > 0)
        .map(([place, actions]) => ({
          actions,
          effect: 'EFFECT_ALLOW',
          roles: [role.key],
          condition: {
            match: {
              all: {
                of: [
                  { expr: `R.attr.place == "${place}"` },
                  { expr: '!has(P.attr.project) || P.attr.project == R.attr.project' },
                ],
              },
            },
          },
        })),
    ),
  },
});

const configuration = (directory: string, port: number, { policy }: Certificates): object => ({
  server: {
    httpListenAddr: '127.0.0.1:0',
    grpcListenAddr: `127.0.0.1:${String(port)}`,
    tls: { cert: policy.certFile, key: policy.keyFile, caCert: policy.caFile },
  },
  storage: { driver: 'disk', disk: { directory: join(directory, 'policies'), watchForChanges: false } },
  audit: {
    enabled: true,
    accessLogsEnabled: false,
    decisionLogsEnabled: true,
    backend: 'local',
    local: { storagePath: join(directory, 'audit') },
  },
  telemetry: { disabled: true },
});

const isListening = async (port: number): Promise<boolean> =>
  await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => {
      resolve(false);
    });
  });

/**
 * Cerbos with the same roles and its decision log on (every decision, in its local store), under the same TLS.
 * @throws when it cannot be installed
 */
export const startCerbos = async (certificates: Certificates): Promise<Peer> => {
  const binary = await install();
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-cerbos-'));
  mkdirSync(join(directory, 'policies'));
  const [port = 0] = await freePorts(1);
  // YAML is a superset of JSON.
  writeFileSync(join(directory, 'policies/environment.yaml'), JSON.stringify(resourcePolicy()));
  writeFileSync(join(directory, 'config.yaml'), JSON.stringify(configuration(directory, port, certificates)));
  const child = spawn(binary, ['server', `--config=${join(directory, 'config.yaml')}`, '--log-level=error'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await waitFor(async () => await isListening(port), { timeoutMs: 20_000, message: 'Cerbos does not listen' });
  return {
    name: 'cerbos',
    pid: child.pid ?? 0,
    target: { port, serverName: 'policy', certificate: certificates.flags },
    close: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
};
