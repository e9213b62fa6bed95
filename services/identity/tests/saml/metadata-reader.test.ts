import assert from 'node:assert/strict';

import { createSelfSigned } from '@sallyport/dev-env';
import { longestTurnMs } from '@sallyport/testing';

import { readIdpMetadata } from '../../src/saml/metadata/idp-metadata.ts';
import { createMetadataReader, type MetadataReader } from '../../src/saml/metadata/metadata-reader.ts';
import { signatureFor, type SigningKey } from './idp.ts';

const REDIRECT = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect';
const MAX_TURN_MS = 50;
const LARGE = 500 * 1024;

describe('metadata read in a thread', () => {
  let reader: MetadataReader;
  let idp: SigningKey;
  // The certificate is valid from the moment it is made.
  let now: Date;

  before(async () => {
    idp = await createSelfSigned('idp');
    now = new Date();
  });
  afterEach(async () => {
    await reader.close();
  });

  const documentOf = (extra = ''): string => {
    const der = idp.cert.replaceAll(/-----[^-]+-----|\s/g, '');
    const key = `<md:KeyDescriptor><ds:X509Certificate xmlns:ds="http://www.w3.org/2000/09/xmldsig#">${der}</ds:X509Certificate></md:KeyDescriptor>`;
    const service = `<md:SingleSignOnService Binding="${REDIRECT}" Location="https://idp.example/sso"></md:SingleSignOnService>`;
    const role = `<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">${key}${service}</md:IDPSSODescriptor>`;
    const write = (signature: string): string =>
      `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" ID="_m1" entityID="https://idp.example">${signature}${role}${extra}</md:EntityDescriptor>`;
    return write(signatureFor(write(''), '_m1', { with: idp }));
  };

  it('is what reading it here gives, and what is wrong with it too', async () => {
    reader = createMetadataReader();
    const trust = { pins: [idp.cert], now };
    assert.deepEqual(await reader.read(documentOf(), trust), readIdpMetadata(documentOf(), trust));
    const broken = documentOf().replace('/sso', '/evil');
    await assert.rejects(reader.read(broken, trust), { code: 'INVALID_VALUE', message: /DIGEST_MISMATCH/ });
    await assert.rejects(reader.read('<x/>', { pins: [], now }), {
      code: 'INVALID_VALUE',
      message: /EntityDescriptor/,
    });
  });

  it('keeps nobody else waiting, however large it is', async () => {
    reader = createMetadataReader();
    const claim = `<md:Extensions>${'<md:x a="1" b="2" c="3">text</md:x>'.repeat(4_000)}</md:Extensions>`;
    const large = documentOf(claim + ' '.repeat(LARGE - documentOf(claim).length));
    const longestMs = await longestTurnMs(async () => {
      assert.equal((await reader.read(large, { pins: [idp.cert], now })).entityId, 'https://idp.example');
    }, MAX_TURN_MS);
    assert.ok(longestMs < MAX_TURN_MS, `${String(longestMs)} ms`);
  });

  it('is refused where it takes too long or ends the thread, and the next is read', async () => {
    reader = createMetadataReader({ workerFile: new URL('./endless-worker.ts', import.meta.url) });
    const trust = { pins: [], now };
    for (const document of ['spin', 'crash', 'anything'])
      await assert.rejects(reader.read(document, trust), { code: 'INVALID_VALUE', message: /too long/ }, document);
  });

  it('is not taken while too much of it waits', async () => {
    reader = createMetadataReader({ workerFile: new URL('./endless-worker.ts', import.meta.url) });
    const trust = { pins: [], now };
    const first = assert.rejects(reader.read('spin', trust));
    const many = await Promise.allSettled(Array.from({ length: 80 }, () => reader.read('anything', trust)));
    await first;
    const codes = many.map((one) => (one.status === 'rejected' ? (one.reason as { code: string }).code : 'taken'));
    assert.equal(codes.filter((code) => code === 'UNAVAILABLE').length, 80 - 63);
  });
});
