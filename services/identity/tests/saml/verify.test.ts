import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createDevCa, createSelfSigned, issueDevCertificate } from '@sallyport/dev-env';
import { computedMs } from '@sallyport/testing';

import { SAML_REASONS } from '../../src/saml/reasons.ts';
import type { Expectations, Verdict, VerifiedLogin } from '../../src/saml/verify/login.ts';
import { verdictOf } from '../../src/saml/verify/read-message.ts';
import { verifyResponse } from '../../src/saml/verify/verify-response.ts';
import { hostileCases, timedCases, type HostileCase } from './hostile.ts';
import { SP, expectationsOf, expectedResponse } from './expectations.ts';
import { encoded, responseText, type ResponseOptions, type SigningKey } from './idp.ts';

const NOW = Date.now();
const HOUR_MS = 3_600_000;
const DEADLINE_MS = 200;
/** Valid until 2126. */
const SECP256K1 = `-----BEGIN CERTIFICATE-----
MIIBdDCCARqgAwIBAgIUGUl0xSh+4BIIc6uGWNN0btH7hcgwCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFY3VydmUwIBcNMjYxMTIxMDcxMTEzWhgPMjEyNjEwMjgwNzEx
MTNaMBAxDjAMBgNVBAMMBWN1cnZlMFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEyWUx
5ieD2igDwfSAcglTnQoezxNwWMCImRFPgzKi0OOeOK2qdu7XUZ3VdtYlZ66H1fMc
FsU5mWsl3yBwrHqf+aNTMFEwHQYDVR0OBBYEFEWq3w8O9rfENvKmRfDp+a9w3wo9
MB8GA1UdIwQYMBaAFEWq3w8O9rfENvKmRfDp+a9w3wo9MA8GA1UdEwEB/wQFMAMB
Af8wCgYIKoZIzj0EAwIDSAAwRQIhAOWVlSmW3+6FICdxsQm9aIBEJQ2Wk/8rj6v3
9SCNRCM1AiBeorfZacxDmM8S5oQixdG2iyfONbq3eemxjasIFasUIg==
-----END CERTIFICATE-----`;

describe('SAML strict layer', () => {
  let idp: SigningKey;
  let foreign: SigningKey;
  let weak: SigningKey;
  let elliptic: SigningKey;
  let base: ResponseOptions;

  before(async () => {
    [idp, foreign] = await Promise.all([createSelfSigned('idp'), createSelfSigned('foreign')]);
    weak = await weakKey();
    const directory = mkdtempSync(join(tmpdir(), 'saml-ec-'));
    const made = await issueDevCertificate(await createDevCa(directory), { service: 'idp', deployment: 'test' });
    elliptic = { key: made.key.toString(), cert: made.cert.toString() };
    rmSync(directory, { recursive: true });
    base = expectedResponse(idp, NOW);
  });

  const expectations = (over: Partial<Expectations> = {}): Expectations => expectationsOf(idp, NOW, over);

  const judge = (response: Partial<ResponseOptions>, over: Partial<Expectations> = {}): Verdict =>
    verifyResponse(encoded(responseText({ ...base, ...response })), expectations(over));

  const accepted = (verdict: Verdict): VerifiedLogin => {
    if (!verdict.ok) assert.fail(`refused: ${verdict.reason} ${verdict.where ?? ''}`);
    return verdict.login;
  };

  const attack = (row: HostileCase): Verdict => {
    const { foreignKey, weakKey: isWeak, ...signing } = row.signing ?? {};
    const signer = foreignKey === true ? foreign : isWeak === true ? weak : idp;
    const xml = responseText({ ...base, ...row.response, signing: { with: signer, ...signing } });
    const certificates = isWeak === true ? [weak.cert] : [idp.cert];
    return verifyResponse((row.encode ?? encoded)(xml), expectations({ certificates, ...row.expected }));
  };

  describe('refuses', () => {
    for (const row of hostileCases) {
      it(`${row.name}: ${row.reason}`, () => {
        const beforeMs = computedMs();
        const verdict = attack(row);
        const tookMs = computedMs() - beforeMs;
        assert.equal(verdict.ok ? 'accepted' : verdict.reason, row.reason);
        assert.ok(tookMs < DEADLINE_MS, `${tookMs} ms`);
      });
    }

    for (const row of timedCases) {
      it(`${row.name}: ${row.reason}`, () => {
        const verdict = judge(row.at(NOW), row.expected?.(NOW));
        assert.equal(verdict.ok ? 'accepted' : verdict.reason, row.reason);
      });
    }

    it('a certificate whose curve is not one of NIST', () => {
      const verdict = judge({}, { certificates: [SECP256K1] });
      assert.equal(verdict.ok ? 'accepted' : verdict.reason, 'NO_USABLE_CERTIFICATE');
    });

    for (const [when, fromMs, toMs] of [
      ['ended', -2 * HOUR_MS, -1_000],
      ['has not begun', 60_000, HOUR_MS],
    ] as const) {
      it(`a key whose certificate ${when}, also beside one that is good`, async () => {
        const signer = await ellipticKey('P-256', fromMs, toMs);
        const signing = { with: signer, algorithm: 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256' };
        for (const [certificates, reason] of [
          [[signer.cert], 'NO_USABLE_CERTIFICATE'],
          [[signer.cert, idp.cert], 'SIGNATURE_INVALID'],
        ] as const) {
          const verdict = judge({ signing }, { certificates });
          assert.equal(verdict.ok ? 'accepted' : verdict.reason, reason);
        }
        accepted(judge({}, { certificates: [signer.cert, idp.cert] }));
      });
    }

    it('nothing but messages: a mistake of ours is thrown, not taken for a verdict', () => {
      assert.throws(
        () =>
          verdictOf(() => {
            throw new RangeError('ours');
          }),
        RangeError,
      );
    });

    it('at least 90 messages, every reason being one of the published ones', () => {
      assert.ok(hostileCases.length + timedCases.length >= 90);
      for (const { reason } of [...hostileCases, ...timedCases])
        assert.ok((SAML_REASONS as readonly string[]).includes(reason), reason);
    });
  });

  describe('accepts (facts of §11 of the contract)', () => {
    it('a signed Assertion, and reads it from signed bytes', () => {
      const login = accepted(judge({ attributes: [['email', ['ada@example.com']]] }));
      assert.equal(login.nameId.value, '00u1');
      assert.equal(login.inResponseTo, '_request1');
      assert.equal(login.sessionIndex, '_s1');
      assert.deepEqual(login.attributes, [['email', ['ada@example.com']]]);
      assert.equal(login.authnContextClass, 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport');
    });

    it('a signed Response', () => void accepted(judge({ sign: 'response' })));
    it('both signed, and both demanded', () =>
      void accepted(judge({ sign: 'both' }, { requireSignedAssertion: true, requireSignedResponse: true })));
    it('the second certificate during a rollover, without KeyInfo', () =>
      void accepted(judge({}, { certificates: [foreign.cert, idp.cert] })));
    it('an ECDSA signature', () =>
      void accepted(
        judge(
          { signing: { with: elliptic, algorithm: 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256' } },
          { certificates: [idp.cert, elliptic.cert] },
        ),
      ));
    it('RSA-SHA512 over a SHA-384 digest', () =>
      void accepted(
        judge({
          signing: {
            with: idp,
            algorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
            digestAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#sha384',
          },
        }),
      ));
    for (const [algorithm, curve] of [
      ['rsa-sha256', null],
      ['rsa-sha384', null],
      ['rsa-sha512', null],
      ['ecdsa-sha256', 'P-256'],
      ['ecdsa-sha384', 'P-384'],
      ['ecdsa-sha512', 'P-521'],
    ] as const) {
      it(`a signature by ${algorithm}`, async () => {
        const signer = curve === null ? idp : await ellipticKey(curve);
        const signing = { with: signer, algorithm: `http://www.w3.org/2001/04/xmldsig-more#${algorithm}` };
        for (const sign of ['assertion', 'response', 'both'] as const)
          accepted(judge({ sign, signing }, { certificates: [signer.cert] }));
      });
    }
    it('two audiences in one restriction', () => void accepted(judge({ audiences: [['https://other.example', SP]] })));
    it('an audience laid out over lines', () => void accepted(judge({ audiences: [[`\n  ${SP}\n`]] })));
    it('a clock 59 s behind', () =>
      void accepted(judge({ notOnOrAfter: NOW - 59_000, confirmationNotOnOrAfter: NOW - 59_000 })));
    it('a clock 59 s ahead', () =>
      void accepted(judge({ notBefore: NOW + 59_000, issueInstant: NOW + 59_000, authnInstant: NOW + 59_000 })));

    it('an authentication of long ago, unless an age was asked for, and one within that age', () => {
      accepted(judge({ authnInstant: NOW - 3_600_000 }));
      accepted(judge({ authnInstant: NOW - 59_000 }, { maxAuthenticationAgeMs: 60_000 }));
    });

    it('150 groups as one attribute', () => {
      const groups = Array.from({ length: 150 }, (_, index) => `group ${index}`);
      assert.deepEqual(accepted(judge({ attributes: [['groups', groups]] })).attributes, [['groups', groups]]);
    });

    it('150 values that each declare xs and xsi (Okta)', () => {
      const login = accepted(
        judge({
          attributes: [['groups', Array.from({ length: 150 }, () => 'dev')]],
          beforeSigning: (xml) =>
            xml.replaceAll(
              '<saml:AttributeValue>',
              '<saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">',
            ),
          signing: { with: idp, inclusive: 'xs' },
        }),
      );
      assert.equal(login.attributes[0]?.[1].length, 150);
    });

    it('saml2 prefixes (Okta)', () => void accepted(judge({ sign: 'both', prefixes: { p: 'saml2p', a: 'saml2' } })));
    it('default namespaces and attributes first (Entra)', () =>
      void accepted(
        judge({
          prefixes: { p: 'samlp', a: '' },
          attributesFirst: true,
          attributes: [['http://schemas.microsoft.com/identity/claims/objectidentifier', ['0b1c']]],
        }),
      ));
    it('an inclusive prefix declared on the Response', () => {
      const beforeSigning = (xml: string): string =>
        xml.replace('ID="_r1"', 'xmlns:xs="http://www.w3.org/2001/XMLSchema" ID="_r1"');
      accepted(judge({ beforeSigning, signing: { with: idp, inclusive: 'xs' } }));
    });

    it('a foreign attribute on Attribute (Entra: a:OriginalIssuer)', () => {
      const beforeSigning = (xml: string): string =>
        xml.replace(
          '<saml:Attribute ',
          '<saml:Attribute xmlns:a="http://schemas.xmlsoap.org/ws/2009/09/identity/claims" a:OriginalIssuer="https://sts" ',
        );
      accepted(judge({ beforeSigning, attributes: [['a', ['b']]] }));
    });

    it('xsi attributes on Attribute', () => {
      const beforeSigning = (xml: string): string =>
        xml.replace(
          '<saml:Attribute ',
          '<saml:Attribute xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="a" ',
        );
      accepted(judge({ beforeSigning, attributes: [['a', ['b']]] }));
    });

    it('line breaks in base64, an XML declaration, white space between elements', () => {
      const text = responseText({
        ...base,
        beforeSigning: (xml) =>
          xml
            .replaceAll('><', '>\n  <')
            .replaceAll(/<(sig-\w+)>\s*<\/\1>/g, '<$1></$1>')
            .replace(/(<saml:Issuer>)/, '$1'),
      });
      const wrapped = encoded(`<?xml version="1.0" encoding="UTF-8"?>\n${text}\n`).replaceAll(/(.{76})/g, '$1\r\n');
      accepted(verifyResponse(wrapped, expectations()));
    });

    it('CRLF line ends before signing', () =>
      void accepted(judge({ beforeSigning: (xml) => xml.replace('<saml:Conditions', '\r\n<saml:Conditions') })));
    it('no SessionIndex, no Destination, no Response issuer on an unsigned Response', () => {
      assert.equal(accepted(judge({ sessionIndex: null, destination: null, responseIssuer: null })).sessionIndex, null);
    });

    it('non-ASCII names and escaped characters, exactly as signed', () => {
      const login = accepted(
        judge({ nameId: 'žofie.müller&co', attributes: [['name', ['Žofie <Müller> "& Söhne"']]] }),
      );
      assert.equal(login.nameId.value, 'žofie.müller&co');
      assert.deepEqual(login.attributes, [['name', ['Žofie <Müller> "& Söhne"']]]);
    });

    it('what is refused anyway by the time its row in the replay store may go, which is soon', () => {
      const MINUTE = 60_000;
      const ends = [
        [null, MINUTE],
        [MINUTE, 5 * MINUTE],
        [5 * MINUTE, MINUTE],
        [24 * HOUR_MS, 24 * HOUR_MS],
      ] as const;
      for (const [conditions, confirmation] of ends) {
        const over = {
          notOnOrAfter: conditions === null ? null : NOW + conditions,
          confirmationNotOnOrAfter: NOW + confirmation,
        };
        const { unusableFromMs } = accepted(judge(over));
        const later = judge(over, { nowMs: unusableFromMs });
        assert.match(later.ok ? 'accepted' : later.reason, /^(?:CONFIRMATION_)?EXPIRED$|^ISSUED_TOO_LONG_AGO$/);
        assert.ok(unusableFromMs <= NOW + 12 * MINUTE);
      }
    });

    it('an unsolicited response where the connection allows it', () => {
      assert.equal(accepted(judge({ inResponseTo: null }, { allowUnsolicited: true })).inResponseTo, null);
    });

    it('prototype names as attribute names, as mere text', () => {
      const names = ['__proto__', 'constructor', 'toString'];
      const login = accepted(judge({ attributes: names.map((name) => [name, ['x']] as const) }));
      assert.deepEqual(
        login.attributes.map(([name]) => name),
        names,
      );
    });

    it('repeated attribute names by joining their values in document order', () => {
      const login = accepted(
        judge({
          attributes: [
            ['groups', ['a']],
            ['mail', ['m']],
            ['groups', ['b']],
          ],
        }),
      );
      assert.deepEqual(login.attributes, [
        ['groups', ['a', 'b']],
        ['mail', ['m']],
      ]);
    });
  });

  const ellipticKey = async (namedCurve: string, fromMs = -HOUR_MS, toMs = HOUR_MS): Promise<SigningKey> => {
    const x509 = await import('@peculiar/x509');
    const { subtle } = globalThis.crypto;
    const keys = await subtle.generateKey({ name: 'ECDSA', namedCurve }, true, ['sign', 'verify']);
    const cert = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: '02',
      name: 'CN=elliptic',
      notBefore: new Date(NOW + fromMs),
      notAfter: new Date(NOW + toMs),
      keys,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    });
    const der = Buffer.from(await subtle.exportKey('pkcs8', keys.privateKey));
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    return { key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: cert.toString('pem') };
  };

  const weakKey = async (): Promise<SigningKey> => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const x509 = await import('@peculiar/x509');
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
    const subtle = globalThis.crypto.subtle;
    const der = privateKey.export({ type: 'pkcs8', format: 'der' });
    const signingKey = await subtle.importKey('pkcs8', der, algorithm, true, ['sign']);
    const jwk = privateKey.export({ format: 'jwk' });
    const publicKey = await subtle.importKey('jwk', { kty: 'RSA', n: jwk.n ?? '', e: jwk.e ?? '' }, algorithm, true, [
      'verify',
    ]);
    const cert = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: '01',
      name: 'CN=weak',
      keys: { privateKey: signingKey, publicKey },
      signingAlgorithm: algorithm,
    });
    return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: cert.toString('pem') };
  };
});
