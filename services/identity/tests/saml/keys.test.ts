import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createSelfSigned } from '@sallyport/dev-env';
import { DOMParser } from '@xmldom/xmldom';
import { SignedXml } from 'xml-crypto';

import { readServiceProvider, type SamlServiceProvider } from '../../src/saml/service-provider.ts';
import { serviceProviderMetadata } from '../../src/saml/metadata/sp-metadata.ts';
import type { SigningKey } from './idp.ts';

const bodyOf = (pem: string): string => pem.replaceAll(/-----[^-]+-----|\s/g, '');

describe('our keys as a SAML service provider', () => {
  let directory: string;
  let [current, next, forEncryption, nextForEncryption]: SigningKey[] = [];
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'saml-keys-'));
    const names = ['current', 'next', 'encryption', 'next encryption'];
    [current, next, forEncryption, nextForEncryption] = await Promise.all(names.map((name) => createSelfSigned(name)));
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  const file = (name: string, ...parts: (string | undefined)[]): string => {
    const path = join(directory, name);
    writeFileSync(path, parts.join('\n'));
    return path;
  };
  const read = async (
    signing: { keys: (SigningKey | undefined)[]; certs: (SigningKey | undefined)[] },
    encryption?: { keys: (SigningKey | undefined)[]; certs: (SigningKey | undefined)[] },
  ): Promise<SamlServiceProvider> =>
    await readServiceProvider({
      publicOrigin: 'https://sallyport.example',
      samlKeyFile: file('s.key', ...signing.keys.map((one) => one?.key)),
      samlCertFile: file('s.pem', ...signing.certs.map((one) => one?.cert)),
      samlEncryptionKeyFile:
        encryption === undefined ? undefined : file('e.key', ...encryption.keys.map((one) => one?.key)),
      samlEncryptionCertFile:
        encryption === undefined ? undefined : file('e.pem', ...encryption.certs.map((one) => one?.cert)),
    });
  const pair = (...ones: (SigningKey | undefined)[]) => ({ keys: ones, certs: ones });

  it('one pair for signing is enough', async () => {
    const sp = await read(pair(current));
    assert.equal(bodyOf(sp.signing.certificate), bodyOf(current?.cert ?? ''));
    assert.deepEqual(sp.decryption, []);
  });

  it('of two the first certificate is current, whatever the order of the keys', async () => {
    const sp = await read({ keys: [current, next], certs: [next, current] }, pair(forEncryption, nextForEncryption));
    assert.equal(sp.signing.privateKey.trim(), next?.key.trim());
    assert.deepEqual(
      sp.signingCertificates.map(bodyOf),
      [next, current].map((one) => bodyOf(one?.cert ?? '')),
    );
    assert.equal(sp.decryption.length, 2);
  });

  it('refuses to start with keys that do not fit, naming the file', async () => {
    await assert.rejects(read({ keys: [current], certs: [next] }), /s\.pem holds a certificate without its key/);
    await assert.rejects(read({ keys: [current], certs: [current, next] }), /same number/);
    await assert.rejects(read(pair()), /one or two/);
    await assert.rejects(read(pair(current, next, forEncryption)), /one or two/);
    const broken = { key: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----', cert: current?.cert ?? '' };
    await assert.rejects(read(pair(broken)), /s\.key holds a PEM block that cannot be read/);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const elliptic = { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: current?.cert ?? '' };
    await assert.rejects(read(pair(elliptic)), /without its key/);
  });

  it('refuses one key for two purposes, and half a pair', async () => {
    await assert.rejects(read(pair(current, next), pair(next)), /must not decrypt as well/);
    await assert.rejects(
      readServiceProvider({
        publicOrigin: 'https://sallyport.example',
        samlKeyFile: file('s.key', current?.key),
        samlCertFile: file('s.pem', current?.cert),
        samlEncryptionKeyFile: file('e.key', next?.key),
        samlEncryptionCertFile: undefined,
      }),
      /together or not at all/,
    );
  });

  describe('metadata', () => {
    const NOW = new Date('2026-03-01T12:00:00Z');
    const described = async (): Promise<string> =>
      serviceProviderMetadata(await read(pair(current, next), pair(forEncryption, nextForEncryption)), 'c1', NOW);

    it('is signed with the current key; an independent library says so (xml-crypto)', async () => {
      const xml = await described();
      const document = new DOMParser().parseFromString(xml, 'text/xml');
      const [signature] = [...document.getElementsByTagNameNS('http://www.w3.org/2000/09/xmldsig#', 'Signature')];
      for (const [key, isGood] of [[current, true] as const, [next, false] as const]) {
        const verifier = new SignedXml({ publicCert: key?.cert ?? '', getCertFromKeyInfo: () => null });
        verifier.loadSignature(signature as never);
        const verified = ((): boolean => {
          try {
            return verifier.checkSignature(xml);
          } catch {
            return false;
          }
        })();
        assert.equal(verified, isGood);
        if (isGood) assert.match(verifier.getSignedReferences()[0] ?? '', /entityID=/);
      }
    });

    it('lists both keys of each use, the current one first', async () => {
      const keys = [...(await described()).matchAll(/use="(\w+)".*?X509Certificate>([^<]+)</g)];
      assert.deepEqual(
        keys.map(([, use, body]) => [use, body]),
        [
          ['signing', bodyOf(current?.cert ?? '')],
          ['signing', bodyOf(next?.cert ?? '')],
          ['encryption', bodyOf(forEncryption?.cert ?? '')],
          ['encryption', bodyOf(nextForEncryption?.cert ?? '')],
        ],
      );
    });

    it('names where responses and logouts go, what may encrypt, and how long it holds', async () => {
      const xml = await described();
      const base = 'https://sallyport.example/saml/c1';
      for (const part of [
        `entityID="${base}/metadata"`,
        `Location="${base}/acs" index="0" isDefault="true"`,
        `<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="${base}/slo">`,
        `<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="${base}/slo">`,
        'validUntil="2026-03-15T00:00:00.000Z"',
        'cacheDuration="P1D"',
        'Algorithm="http://www.w3.org/2009/xmlenc11#aes256-gcm"',
      ]) {
        assert.ok(xml.includes(part), part);
      }
      assert.ok(!xml.includes('cbc') && !xml.includes('rsa-1_5'));
    });

    it('says nothing of encryption without a key for it', async () => {
      assert.ok(!serviceProviderMetadata(await read(pair(current)), 'c1', NOW).includes('use="encryption"'));
    });
  });
});
