import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';

import { createSelfSigned } from '@sallyport/dev-env';
import fc from 'fast-check';
import { decrypt, encrypt } from 'xml-encryption';

import { SAML_REASONS } from '../../src/saml/reasons.ts';
import { decryptedBytes } from '../../src/saml/verify/decrypt.ts';
import type { Expectations, Verdict } from '../../src/saml/verify/login.ts';
import { verifyResponse } from '../../src/saml/verify/verify-response.ts';
import { MESSAGE_LIMITS } from '../../src/saml/xml/limits.ts';
import { parseXml } from '../../src/saml/xml/parse.ts';
import {
  AES128_GCM,
  AES256_CBC,
  AES256_GCM,
  encryptedAssertion,
  RSA_1_5,
  RSA_OAEP_MGF1P,
  SHA1,
  type EncryptOptions,
} from './encrypt.ts';
import { encryptionCases, sealing, type HostileEncryption } from './hostile-encryption.ts';
import { expectationsOf, expectedResponse } from './expectations.ts';
import { encoded, responseText, type ResponseOptions, type SigningKey } from './idp.ts';

const NOW = Date.now();
const ASSERTION = 'urn:oasis:names:tc:SAML:2.0:assertion';

describe('SAML encrypted assertions', () => {
  let idp: SigningKey;
  let ours: SigningKey;
  let next: SigningKey;
  let other: SigningKey;
  let base: ResponseOptions;

  before(async () => {
    const names = ['idp', 'ours', 'next', 'other'] as const;
    [idp, ours, next, other] = (await Promise.all(names.map((name) => createSelfSigned(name)))) as [
      SigningKey,
      SigningKey,
      SigningKey,
      SigningKey,
    ];
    base = expectedResponse(idp, NOW);
  });

  const expectations = (over: Partial<Expectations> = {}): Expectations => expectationsOf(idp, NOW, over);

  type Play = Partial<Omit<HostileEncryption, 'name' | 'reason'>>;
  const judge = (row: Play, over: Partial<Expectations> = {}, keys: readonly SigningKey[] = [ours]): Verdict => {
    const xml = responseText({ ...base, ...sealing(row, { ours, other }) });
    const opening = keys.map(({ key }) => createPrivateKey(key));
    return verifyResponse(encoded(xml), expectations(over), opening);
  };
  const reasonOf = (verdict: Verdict): string => (verdict.ok ? 'accepted' : verdict.reason);
  const accepts = (row: Play, over: Partial<Expectations> = {}, keys: readonly SigningKey[] = [ours]): void => {
    const verdict = judge(row, over, keys);
    assert.equal(reasonOf(verdict), 'accepted');
    assert.equal(verdict.ok && verdict.login.nameId.value, '00u1');
  };

  describe('accepts', () => {
    it('an encrypted signed Assertion', () => {
      accepts({});
    });
    it('an encrypted Assertion in a signed Response', () => {
      accepts({ sign: 'response' });
    });
    it('both signed, and both demanded', () => {
      accepts({ sign: 'both' }, { requireSignedAssertion: true, requireSignedResponse: true });
    });
    it('AES-128-GCM', () => {
      accepts({ encrypt: { content: AES128_GCM } });
    });
    it('OAEP by its older name, SHA-1 within (XML Encryption 1.1 §5.5.2)', () => {
      accepts({ encrypt: { transport: RSA_OAEP_MGF1P, digest: SHA1, mask: null, oaepHash: 'sha1' } });
      accepts({ encrypt: { transport: RSA_OAEP_MGF1P, digest: null, mask: null, oaepHash: 'sha1' } });
    });
    it('the wrapped key beside the data, pointed to or not', () => {
      accepts({ encrypt: { place: 'pointer' } });
      accepts({ encrypt: { place: 'beside' } });
    });
    it('either of our keys during a rotation, whichever comes first', () => {
      accepts({}, {}, [ours, next]);
      accepts({}, {}, [next, ours]);
    });
    it('data without a Type', () => {
      accepts({ encrypt: { type: null } });
    });
  });

  describe('refuses', () => {
    for (const row of encryptionCases) {
      it(`${row.name}: ${row.reason}`, () => {
        assert.ok((SAML_REASONS as readonly string[]).includes(row.reason));
        assert.equal(reasonOf(judge(row)), row.reason);
      });
    }

    it('everything encrypted where we have no key', () => {
      assert.equal(reasonOf(judge({}, {}, [])), 'DECRYPTION_KEY_MISSING');
    });
    it('a removed key', () => {
      assert.equal(reasonOf(judge({}, {}, [next])), 'DECRYPTION_FAILED');
    });
    it('an encrypted signed Assertion where the Response must be signed, and the reverse', () => {
      assert.equal(reasonOf(judge({}, { requireSignedResponse: true })), 'RESPONSE_NOT_SIGNED');
      const verdict = judge({ sign: 'response' }, { requireSignedAssertion: true });
      assert.equal(reasonOf(verdict), 'ASSERTION_NOT_SIGNED');
    });
    it('wrong algorithms before any key is used', () => {
      const unusable = createPublicKey(ours.cert); // Using it to decrypt would be a failure of another kind.
      for (const encrypt of [{ content: AES256_CBC }, { transport: RSA_1_5, digest: null, mask: null }]) {
        const xml = encryptedAssertion('<x/>', { for: ours, ...encrypt });
        assert.throws(() => decryptedBytes(parseXml(Buffer.from(xml), MESSAGE_LIMITS), [unusable]), /FORBIDDEN/);
      }
    });
    it('a wrong key and a wrong text alike (no oracle)', () => {
      const verdicts = [{ otherKey: true }, { encrypt: { alterText: (bytes: Buffer) => bytes.fill(0) } }].map((row) =>
        judge(row),
      );
      assert.deepEqual(verdicts[0], verdicts[1]);
    });
  });

  describe('beside an independent implementation (xml-encryption)', () => {
    const tree = (inner: string) =>
      parseXml(Buffer.from(`<saml:EncryptedAssertion xmlns:saml="${ASSERTION}">${inner}</saml:EncryptedAssertion>`), {
        ...MESSAGE_LIMITS,
      });
    const theirs = async (plain: string, algorithm: string): Promise<string> => {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const publicKey = new X509Certificate(ours.cert).publicKey.export({ type: 'spki', format: 'pem' });
      const options = {
        rsa_pub: publicKey,
        pem: ours.cert,
        encryptionAlgorithm: algorithm,
        keyEncryptionAlgorithm: RSA_OAEP_MGF1P,
      } as Parameters<typeof encrypt>[1];
      encrypt(plain, options, (error: Error | null, result: string) => {
        if (error === null) resolve(result);
        else reject(error);
      });
      return await promise;
    };
    const theirPlain = async (xml: string): Promise<string> => {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      decrypt(xml, { key: ours.key }, (error: Error | null, result: string) => {
        if (error === null) resolve(result);
        else reject(error);
      });
      return await promise;
    };
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 300 });

    it('opens what it encrypts', async () => {
      const keys = [createPrivateKey(ours.key)];
      await fc.assert(
        fc.asyncProperty(text, fc.constantFrom(AES128_GCM, AES256_GCM), async (plain, algorithm) => {
          const bytes = decryptedBytes(tree(await theirs(plain, algorithm)), keys);
          assert.deepEqual(bytes, Buffer.from(plain, 'utf8'));
        }),
        { numRuns: 30 },
      );
    });

    it('the encryption of these tests is what it opens', async () => {
      const options: EncryptOptions = {
        for: ours,
        transport: RSA_OAEP_MGF1P,
        digest: SHA1,
        mask: null,
        oaepHash: 'sha1',
      };
      await fc.assert(
        fc.asyncProperty(text, fc.constantFrom(AES128_GCM, AES256_GCM), async (plain, content) => {
          assert.equal(await theirPlain(encryptedAssertion(plain, { ...options, content })), plain);
        }),
        { numRuns: 20 },
      );
    });
  });

  it('any change of any byte is refused, and never anything but a refusal', () => {
    const message = responseText({ ...base, ...sealing({}, { ours, other }) });
    const opening = [createPrivateKey(ours.key)];
    const from = message.indexOf('<saml:EncryptedAssertion');
    const change = fc.tuple(
      fc.integer({ min: from, max: message.length - 1 }),
      fc.constantFrom('A', '<', '"', ' ', '='),
    );
    fc.assert(
      fc.property(change, ([at, character]) => {
        fc.pre(message[at] !== character);
        const changed = message.slice(0, at) + character + message.slice(at + 1);
        const verdict = verifyResponse(encoded(changed), expectations(), opening);
        // White space between elements or in base64, and names nothing refers to, change nothing.
        if (verdict.ok) assert.equal(verdict.login.nameId.value, '00u1');
        else assert.ok((SAML_REASONS as readonly string[]).includes(verdict.reason));
      }),
      { numRuns: 300 },
    );
  });
});
