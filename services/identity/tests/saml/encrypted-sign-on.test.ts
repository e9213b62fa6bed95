import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createSelfSigned } from '@sallyport/dev-env';

import { AES128_GCM, RSA_OAEP_MGF1P, SHA1 } from './encrypt.ts';
import { encryptionCases, sealing } from './hostile-encryption.ts';
import type { SigningKey } from './idp.ts';
import { SamlScene } from './scene.ts';

const uuid = /[0-9a-f]{8}-[0-9a-f-]{27}/g;

describe('SAML sign-on with encrypted assertions, while our keys rotate', () => {
  const directory = mkdtempSync(join(tmpdir(), 'saml-rotation-'));
  let scene: SamlScene;
  let [ours, next, other]: SigningKey[] = [];

  before(async () => {
    [ours, next, other] = await Promise.all(['ours', 'next', 'other'].map((name) => createSelfSigned(name)));
    const [samlEncryptionKeyFile, samlEncryptionCertFile] = [join(directory, 'e.key'), join(directory, 'e.pem')];
    writeFileSync(samlEncryptionKeyFile, `${ours?.key ?? ''}\n${next?.key ?? ''}`);
    writeFileSync(samlEncryptionCertFile, `${ours?.cert ?? ''}\n${next?.cert ?? ''}`);
    scene = await SamlScene.start({ config: { samlEncryptionKeyFile, samlEncryptionCertFile } });
    await scene.person('00u1', 'ada@example.com');
    assert.ok(readFileSync(samlEncryptionKeyFile, 'utf8').includes('PRIVATE KEY'));
  });
  after(async () => {
    await scene.close();
    rmSync(directory, { recursive: true });
  });
  beforeEach(async () => {
    await scene.forgetAttempts();
  });

  const keys = (key = ours) => ({ ours: key as SigningKey, other: other as SigningKey });

  it('signs in with either key, by every transport that is taken', async () => {
    const old = { transport: RSA_OAEP_MGF1P, digest: SHA1, mask: null, oaepHash: 'sha1', content: AES128_GCM };
    for (const key of [ours, next]) {
      for (const encrypt of [{}, { place: 'pointer' } as const, old]) {
        const answer = await scene.answer(await scene.begin(), sealing({ encrypt }, keys(key)));
        assert.equal(answer.status, 303);
      }
    }
    assert.equal((await scene.answer(await scene.begin(), sealing({ sign: 'response' }, keys()))).status, 303);
  });

  it('refuses every hostile one with one page and the reason in the audit log; no 5xx, no session', async () => {
    const pages = new Set<string>();
    const started = await scene.begin();
    const before = await scene.sessions();
    for (let from = 0; from < encryptionCases.length; from += 8) {
      const judged = encryptionCases.slice(from, from + 8).map(async (row) => {
        const answer = await scene.answer(started, { assertionId: '_a1', ...sealing(row, keys()) });
        await scene.isRefused(answer, row.reason);
        pages.add((await answer.text()).replaceAll(uuid, 'ID'));
      });
      await Promise.all(judged);
    }
    assert.equal(pages.size, 1);
    assert.equal(await scene.sessions(), before);
    assert.equal((await scene.answer(started)).status, 303);
  }).timeout(180_000);
});
