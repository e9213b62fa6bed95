import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from '../src/config.ts';
import { startTestIdp } from './support/running-idp.ts';

describe('settings', () => {
  it('have defaults', () => {
    assert.deepEqual(readSettings({ HOME: '/root' }), {
      port: 8090,
      host: '127.0.0.1',
      origin: null,
      stateDir: null,
      flavor: 'okta',
    });
  });

  it('say everything that is wrong at once, unknown names included', () => {
    const wrong = {
      DEMO_IDP_PORT: '99999',
      DEMO_IDP_ORIGIN: 'http://localhost:8090/path',
      DEMO_IDP_FLAVOR: 'ping',
      DEMO_IDP_FLAVOUR: 'okta',
    };
    assert.throws(
      () => readSettings(wrong),
      (error: Error) =>
        ['DEMO_IDP_PORT', 'DEMO_IDP_ORIGIN', 'DEMO_IDP_FLAVOR must', 'DEMO_IDP_FLAVOUR is not'].every((part) =>
          error.message.includes(part),
        ),
    );
    for (const port of ['', '-1', '80.5', '0x50', 'http']) {
      assert.throws(() => readSettings({ DEMO_IDP_PORT: port }), /DEMO_IDP_PORT/);
    }
  });
});

describe('state', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'demo-idp-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('outlives a restart, keys included, in a file only its owner reads', async () => {
    const first = await startTestIdp({ stateDir: folder, origin: 'http://localhost:8090' });
    await first.api('POST', '/api/people/dana/deactivate');
    await first.api('PUT', '/api/targets', { flavor: 'entra' });
    const [metadata, jwks] = await Promise.all(['/saml/metadata', '/oidc/jwks'].map((path) => read(first.port, path)));
    await first.close();
    assert.equal(statSync(join(folder, 'demo-idp.json')).mode & 0o777, 0o600);

    const second = await startTestIdp({ stateDir: folder, origin: 'http://localhost:8090' });
    assert.equal((await second.api('GET', '/api/people/dana')).body['active'], false);
    assert.equal((await second.api('GET', '/api/targets')).body['flavor'], 'entra');
    assert.equal(await read(second.port, '/saml/metadata'), metadata);
    assert.equal(await read(second.port, '/oidc/jwks'), jwks);
    await second.close();
  });

  it('is never overwritten when it cannot be understood', async () => {
    for (const content of ['{"version":1', '{"version":2}', '[]']) {
      writeFileSync(join(folder, 'demo-idp.json'), content);
      await assert.rejects(startTestIdp({ stateDir: folder }), /not a state file/);
      assert.equal(readFileSync(join(folder, 'demo-idp.json'), 'utf8'), content);
    }
  });
});

describe('the program', () => {
  const main = join(import.meta.dirname, '..', 'src', 'main.ts');

  it('says when it is ready and stops on SIGTERM', async () => {
    const child = spawn(process.execPath, [main], {
      env: { DEMO_IDP_PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const line = await new Promise<string>((resolve) =>
      child.stdout.once('data', (chunk: Buffer) => {
        resolve(chunk.toString());
      }),
    );
    const { msg, url } = JSON.parse(line) as { msg: string; url: string };
    assert.equal(msg, 'ready');
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    child.kill('SIGTERM');
    assert.equal(await exited, 0);
  });

  it('answers a taken port with a sentence', async () => {
    const blocker = createServer();
    const port = await new Promise<number>((resolve) => {
      blocker.listen(0, '127.0.0.1', () => {
        const address = blocker.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    const child = spawn(process.execPath, [main], {
      env: { DEMO_IDP_PORT: String(port) },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    blocker.close();
    assert.equal(code, 1);
    assert.match(said, /cannot start/);
    assert.doesNotMatch(said, /\n\s+at /);
  });
});

async function read(port: number, path: string): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${String(port)}${path}`)).text();
}
