import { strict as assert } from 'node:assert';
import { createPrivateKey, X509Certificate, type JsonWebKey } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DevEnvironmentError } from '../errors.ts';
import { openSeedProgress } from '../seed/record.ts';
import { choosePorts } from './addresses.ts';
import { lockState } from './lock.ts';
import { prepareSecrets } from './secrets.ts';

describe('the state directory of a constellation', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sallyport-state-'));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  it('keeps every secret from start to start, readable by its owner alone', async () => {
    const first = await prepareSecrets(join(directory, 'secrets'));
    const contents = (): string[] =>
      readdirSync(join(directory, 'secrets')).map((name) => readFileSync(join(directory, 'secrets', name), 'utf8'));
    const before = contents();
    assert.deepEqual(await prepareSecrets(join(directory, 'secrets')), first);
    assert.deepEqual(contents(), before);
    for (const name of readdirSync(join(directory, 'secrets'))) {
      assert.equal(statSync(join(directory, 'secrets', name)).mode & 0o777, 0o600, name);
    }
  });

  it('holds secrets in the forms the services read', async () => {
    const secrets = await prepareSecrets(directory);
    assert.match(readFileSync(secrets.masterKeyFile, 'utf8'), /^[0-9a-f]{64}\n$/);
    assert.ok(readFileSync(secrets.cookieKeysFile, 'utf8').trim().length >= 43);
    const { keys } = JSON.parse(readFileSync(secrets.providerKeysFile, 'utf8')) as {
      keys: (JsonWebKey & { alg: string; kid: string })[];
    };
    assert.deepEqual(
      keys.map(({ alg }) => alg),
      ['RS256', 'ES256'],
    );
    assert.equal(new Set(keys.map(({ kid }) => kid)).size, 2);
    for (const key of keys) assert.equal(createPrivateKey({ key, format: 'jwk' }).type, 'private');
    const certificate = new X509Certificate(readFileSync(secrets.samlCertFile));
    assert.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(secrets.samlKeyFile))));
    const passwords = [...Object.values(secrets.databasePasswords), secrets.ownerPassword];
    assert.equal(new Set(passwords).size, 4);
    assert.ok(passwords.every((password) => password.length >= 32));
  });

  it('remembers ports, gives up those taken meanwhile, and never uses one twice', async () => {
    const first = await choosePorts(directory, { public: 8_080 });
    assert.equal(first.public, 8_080);
    assert.equal(new Set(Object.values(first)).size, Object.values(first).length);
    const stranger = createServer().listen(first.flagsGrpc, '127.0.0.1');
    await once(stranger, 'listening');
    const second = await choosePorts(directory, { public: 8_081 });
    stranger.close();
    assert.notEqual(second.flagsGrpc, first.flagsGrpc);
    assert.deepEqual({ ...second, flagsGrpc: 0, public: 0 }, { ...first, flagsGrpc: 0, public: 0 });
    writeFileSync(join(directory, 'ports.json'), '{"idp":"torn');
    assert.equal((await choosePorts(directory, {}, { idp: first.idp })).idp, first.idp);
  });

  it('belongs to one process at a time, and to the next one after a crash', async () => {
    const lock = await lockState(directory, assert.fail);
    await assert.rejects(lockState(directory, assert.fail), (error) => {
      assert.ok(error instanceof DevEnvironmentError && error.code === 'ALREADY_RUNNING');
      assert.match(error.message, new RegExp(`process ${process.pid}`));
      return true;
    });
    lock.release();
    for (const leftover of ['torn', '{"pid":1,"stamp":"another boot"}']) {
      writeFileSync(join(directory, 'launcher.json'), leftover);
      (await lockState(directory, assert.fail)).release();
    }
    assert.ok(!existsSync(join(directory, 'launcher.json')));
    assert.equal(statSync(directory).mode & 0o777, 0o700);
  });

  it('is waited for while its owner is stopping', async () => {
    const lock = await lockState(directory, assert.fail);
    lock.stopping();
    const next = lockState(directory, assert.fail);
    lock.release();
    (await next).release();
    lock.stopping();
    assert.ok(!existsSync(join(directory, 'launcher.json')), 'who released it says nothing any more');
  });

  it('survives notes of children that a crash tore apart', async () => {
    mkdirSync(join(directory, 'run'));
    writeFileSync(join(directory, 'run', 'policy.json'), '{"pid":');
    (await lockState(directory, assert.fail)).release();
  });

  it('goes on seeding where it stopped, but not for another organisation', () => {
    const progress = openSeedProgress(directory, 'one');
    progress.note({ scimToken: 'secret' });
    progress.note({ environmentKeys: { staging: 'key' } });
    assert.deepEqual(openSeedProgress(directory, 'one').record, {
      orgId: 'one',
      scimToken: 'secret',
      environmentKeys: { staging: 'key' },
    });
    assert.deepEqual(openSeedProgress(directory, 'two').record, { orgId: 'two' });
    assert.equal(statSync(join(directory, 'seed.json')).mode & 0o777, 0o600);
  });
});
