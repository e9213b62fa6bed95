import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { waitFor } from '@sallyport/dev-env';
import { newId } from '@sallyport/storage';

import { World, type Organization } from './support/world.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

interface Running {
  readonly child: ChildProcess;
  readonly httpPort: number;
}

describe('the process', () => {
  let world: World;
  let org: Organization;
  const children: ChildProcess[] = [];

  before(async () => {
    world = await World.create();
    org = await world.organization();
  });
  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    await world.dispose();
  });

  const start = async (environment: Readonly<Record<string, string>> = world.environment()): Promise<Running> => {
    const child = spawn(process.execPath, [MAIN], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    for await (const line of createInterface({ input: child.stdout })) {
      const { msg, httpPort } = JSON.parse(line) as { msg: string; httpPort: number };
      if (msg !== 'ready') continue;
      child.stdout.resume();
      const isReady = async (): Promise<boolean> =>
        (await world.call('GET', '/readyz', { port: httpPort })).status === 200;
      await waitFor(isReady, { message: 'the process is not ready' });
      return { child, httpPort };
    }
    throw new Error('the process ended before it was ready');
  };

  const grantViewer = async (port: number, id: string): Promise<number> => {
    const body = { subject: { type: 'user', id }, role: 'viewer' };
    return (await world.call('POST', '/api/policy/v1/grants', { token: org.ownerToken, port, body })).status;
  };

  it('serves with frozen intrinsics, and stops cleanly on SIGTERM', async () => {
    const { child, httpPort } = await start();
    const id = newId();
    await world.user(org.orgId, id, 'user');
    assert.equal(await grantViewer(httpPort, id), 201);
    const { status } = await world.call('GET', '/api/policy/v1/audit/export', {
      token: org.ownerToken,
      port: httpPort,
    });
    assert.equal(status, 200);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  it('refuses to start with a setting it does not know', async () => {
    const environment = { ...world.environment(), SALLYPORT_LEASE_TTLS: '1s' };
    const child = spawn(process.execPath, [MAIN], { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
    children.push(child);
    let printed = '';
    child.stderr.on('data', (bytes: Buffer) => {
      printed += bytes.toString();
    });
    const [code] = (await once(child, 'exit')) as [number];
    assert.notEqual(code, 0);
    assert.match(printed, /SALLYPORT_LEASE_TTLS is not a known setting; did you mean SALLYPORT_LEASE_TTL\?/);
  });

  it('loses nothing it acknowledged when it is killed while writing, and shows no half change', async function killed() {
    this.timeout(180_000);
    const users = Array.from({ length: 120 }, () => newId());
    await world.applied(
      org.orgId,
      world.identity.commit(
        org.orgId,
        users.map((subjectId) => ({ subjectId })),
      ),
    );
    const { child, httpPort } = await start();
    const acknowledged: string[] = [];
    const waiting = [...users];
    const write = async (): Promise<void> => {
      for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
        // Killed while it works: the last requests get no answer.
        const status = await grantViewer(httpPort, id).catch(() => 0);
        if (status === 0) return;
        if (status === 201) acknowledged.push(id);
        if (acknowledged.length === 60) child.kill('SIGKILL');
      }
    };
    await Promise.all([write(), write(), write(), write()]);
    assert.ok(acknowledged.length >= 60);
    const again = await start();
    const lines = await world.call('GET', '/api/policy/v1/audit/export', {
      token: org.ownerToken,
      port: again.httpPort,
    });
    const recorded = lines.text
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { entry: { action: string; after?: { subjectId: string } } }).entry)
      .filter(({ action }) => action === 'grant.created')
      .map(({ after }) => after?.subjectId ?? '');
    await world.context.knowledge.ensure(org.orgId);
    await world.context.knowledge.refresh();
    const granted = world.context.knowledge.organization(org.orgId)?.grants.map(({ row }) => row.subjectId) ?? [];
    for (const id of acknowledged) assert.ok(granted.includes(id), 'an acknowledged grant is lost');
    assert.deepEqual([...granted].sort(), [...recorded].sort(), 'grants and their records differ');
    again.child.kill('SIGTERM');
    await once(again.child, 'exit');
  });
});
