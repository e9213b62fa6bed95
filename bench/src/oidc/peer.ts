import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { HttpClient } from '../scim/http-client.ts';
import type { Server } from '../scim/server.ts';
import { newClientKey } from './assertion.ts';
import { REDIRECT_URI, type Code, type Contender, type SecretClient } from './contender.ts';

const MAIN = fileURLToPath(new URL('./peer-main.ts', import.meta.url));

/** What the peer's process is told at its start. */
export interface PeerClients {
  readonly machine: SecretClient;
  readonly workload: { readonly id: string; readonly jwk: Readonly<Record<string, unknown>> };
  readonly application: SecretClient & { readonly redirectUri: string };
}

/** What it is asked for; it answers with the CPU time in ms, or with codes. */
export type PeerRequest = 'cpu' | { readonly codes: number };

/** A bare oidc-provider with its memory adapter, signing with the same keys. */
export const startPeer = async (server: Server): Promise<Contender> => {
  const key = newClientKey();
  const machine = { id: 'machine', secret: 'a-secret-of-the-machine' };
  const application = { id: 'application', secret: 'a-secret-of-the-application' };
  const clients: PeerClients = {
    machine,
    workload: { id: 'workload', jwk: key.publicJwk },
    application: { ...application, redirectUri: REDIRECT_URI },
  };
  const child = spawn(process.execPath, [MAIN, server.secrets.providerKeysFile, JSON.stringify(clients)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [port] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => {
      throw new Error('the peer did not start');
    }),
  ])) as [number];
  const client = new HttpClient(port);
  const ask = async (request: PeerRequest): Promise<unknown> => {
    const answer = once(child, 'message');
    child.send(request);
    return (await answer)[0];
  };
  return {
    client,
    tokenPath: '/token',
    issuer: 'http://localhost:8080/oidc',
    machine,
    workload: { id: 'workload', key },
    application,
    codes: async (count) => (await ask({ codes: count })) as Code[],
    cpuMs: async () => ({ process: (await ask('cpu')) as number, database: 0 }),
    close: async () => {
      client.close();
      if (child.exitCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
};
