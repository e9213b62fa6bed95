import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';

import fc from 'fast-check';
import { createRemoteJWKSet, decodeProtectedHeader, exportJWK, generateKeyPair, jwtVerify } from 'jose';

import { keysAt, nextChangeAt, rotateKeys, type SigningKey } from '../../src/provider/signing-keys.ts';
import { ProviderScene } from './scene.ts';

const HOUR_S = 3600;

describe('Signing keys of the OpenID Provider', () => {
  const key = (kid: string, from?: number): SigningKey => ({
    kty: 'EC',
    kid,
    ...(from === undefined ? {} : { signs_from: from }),
  });
  const kids = (keys: readonly SigningKey[]) => keys.map(({ kid }) => kid);

  it('publishes a key before it signs, and its predecessor for as long as what it signed is of use', () => {
    const keys = [key('old'), key('next', 1000 * HOUR_S)];
    assert.deepEqual(kids(keysAt(keys, 999 * HOUR_S)), ['old', 'next']);
    assert.deepEqual(kids(keysAt(keys, 1000 * HOUR_S)), ['next', 'old']);
    assert.deepEqual(kids(keysAt(keys, 1024 * HOUR_S)), ['next', 'old']);
    assert.deepEqual(kids(keysAt(keys, 1025 * HOUR_S)), ['next']);
    assert.equal(nextChangeAt(keys, 999 * HOUR_S), 1000 * HOUR_S);
  });

  it('refuses when none signs yet', () => {
    assert.throws(() => keysAt([key('next', 10)], 9), { code: 'INTERNAL' });
  });

  it('always signs with exactly one published key, whatever the schedule', () => {
    const schedule = fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(schedule, fc.integer({ min: 0, max: 2000 }), (starts, now) => {
        const keys = [key('first'), ...starts.map((from, index) => key(`k${index}`, from * HOUR_S))];
        const published = keysAt(keys, now * HOUR_S);
        const [signing] = published;
        const begun = keys.filter(({ signs_from: from }) => (from ?? 0) <= now * HOUR_S);
        assert.equal(signing?.signs_from ?? 0, Math.max(...begun.map(({ signs_from: from }) => from ?? 0)));
        assert.equal(new Set(kids(published)).size, published.length);
      }),
    );
  });

  it('adds one key at a time, of the same kind', () => {
    const now = 1000 * HOUR_S;
    const once = rotateKeys([key('old')], { nowSeconds: now });
    assert.deepEqual([once.length, once[1]?.kty, once[1]?.signs_from], [2, 'EC', now + HOUR_S]);
    assert.equal(rotateKeys(once, { nowSeconds: now + 60 }).length, 2);
    assert.equal(rotateKeys(once, { nowSeconds: now + 30 * HOUR_S }).length, 2); // The oldest is of no use any more.
  });

  it('are changed in a running service without anybody being signed out', async () => {
    const scene = await ProviderScene.start();
    await scene.person('ada');
    const app = await scene.register();
    const browser = await scene.signIn('ada');
    const { providerKeysFile: file } = scene.identity.context.config;
    const kept = await readFile(file, 'utf8');
    const before = await scene.tokens(browser, app);
    const published = async (): Promise<string[]> =>
      ((await (await fetch(`${scene.issuer}/jwks`)).json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
    const signedWith = async (): Promise<string> =>
      decodeProtectedHeader((await scene.tokens(browser, app)).id_token ?? '').kid ?? '';
    try {
      const { privateKey } = await generateKeyPair('RS256', { extractable: true });
      const next = { ...(await exportJWK(privateKey)), kid: 'next', alg: 'RS256', use: 'sig' };
      const now = Math.floor(Date.now() / 1000);
      const { keys } = JSON.parse(kept) as { keys: object[] };
      await writeFile(file, JSON.stringify({ keys: [...keys, { ...next, signs_from: now + HOUR_S }] }));
      await scene.identity.context.openIdProvider.refreshKeys();
      assert.deepEqual(await published(), ['test', 'next']);
      assert.equal(await signedWith(), 'test');
      await writeFile(file, JSON.stringify({ keys: [...keys, { ...next, signs_from: now }] }));
      await scene.identity.context.openIdProvider.refreshKeys();
      assert.deepEqual(await published(), ['next', 'test']);
      assert.equal(await signedWith(), 'next');
      const set = createRemoteJWKSet(new URL(`${scene.issuer}/jwks`));
      await jwtVerify(before.id_token ?? '', set, { issuer: scene.issuer });
      assert.equal(await scene.me(before.access_token), 200);
      const body = JSON.stringify(await (await fetch(`${scene.issuer}/jwks`)).json());
      assert.ok(!/"(d|p|q|signs_from)":/.test(body));
    } finally {
      await writeFile(file, kept);
      await scene.close();
    }
  });
});
