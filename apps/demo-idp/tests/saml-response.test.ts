import assert from 'node:assert/strict';
import { verify } from 'node:crypto';
import { SAML, type Profile } from '@node-saml/node-saml';
import { DOMParser } from '@xmldom/xmldom';
import { SignedXml } from 'xml-crypto';
import { startTestIdp, type TestIdp } from './support/running-idp.ts';

const ACS_URL = 'https://app.example/saml/acs';
const AUDIENCE = 'https://app.example/saml/metadata';

describe('SAML responses, as an independent service provider reads them', () => {
  let idp: TestIdp;

  before(async () => {
    idp = await startTestIdp();
    const behavior = { samlPublishedKeys: ['primary', 'secondary', 'ec'] };
    await idp.api('PUT', '/api/targets', { saml: { spEntityId: AUDIENCE, acsUrl: ACS_URL }, behavior });
  });
  after(async () => {
    await idp.close();
  });

  async function certificates(): Promise<string[]> {
    const metadata = await (await fetch(`${idp.origin}/saml/metadata`)).text();
    return [...metadata.matchAll(/X509Certificate>([^<]+)</g)].map(([, body = '']) => body);
  }

  async function respond(body: Record<string, unknown>): Promise<{ SAMLResponse: string; xml: string }> {
    const answer = await idp.api('POST', '/api/saml/response', { personId: 'dana', ...body });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body as unknown as { SAMLResponse: string; xml: string };
  }

  async function accept(SAMLResponse: string, sign: string): Promise<Profile> {
    const serviceProvider = new SAML({
      callbackUrl: ACS_URL,
      issuer: AUDIENCE,
      audience: AUDIENCE,
      idpCert: (await certificates()).slice(0, 2),
      idpIssuer: `${idp.origin}/saml/metadata`,
      wantAssertionsSigned: sign !== 'response',
      wantAuthnResponseSigned: sign !== 'assertion',
    });
    const { profile } = await serviceProvider.validatePostResponseAsync({ SAMLResponse });
    assert.ok(profile);
    return profile;
  }

  for (const flavor of ['okta', 'entra'] as const) {
    describe(`in the shape of ${flavor}`, () => {
      before(async () => {
        await idp.api('PUT', '/api/targets', { flavor });
      });

      for (const sign of ['response', 'assertion', 'both'] as const) {
        it(`are accepted with a signed ${sign}`, async () => {
          const { SAMLResponse } = await respond({ sign });
          const profile = await accept(SAMLResponse, sign);
          const people = await idp.api('GET', '/api/people/dana');
          assert.equal(profile.nameID, people.body['id']);
          assert.equal(profile.nameIDFormat, 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent');
        });

        it(`are refused when a signed ${sign} was touched`, async () => {
          const { xml } = await respond({ sign });
          const tampered = xml.replace('dana@acme.example', 'rosa@acme.example');
          assert.notEqual(tampered, xml);
          await assert.rejects(accept(Buffer.from(tampered).toString('base64'), sign), /signature/i);
        });
      }

      it('are accepted when signed with SHA-512', async () => {
        const { SAMLResponse } = await respond({ sign: 'both', algorithm: 'rsa-sha512', digest: 'sha512' });
        await accept(SAMLResponse, 'both');
      });

      it('are accepted when signed by the second key without KeyInfo (key rollover)', async () => {
        const { SAMLResponse, xml } = await respond({ sign: 'both', key: 'secondary', keyInfo: false });
        assert.doesNotMatch(xml, /KeyInfo/);
        await accept(SAMLResponse, 'both');
      });

      it('are accepted when signed with ECDSA', async () => {
        const { xml } = await respond({ sign: 'both', key: 'ec' });
        const pem = `-----BEGIN CERTIFICATE-----\n${(await certificates())[2] ?? ''}\n-----END CERTIFICATE-----`;
        assert.deepEqual(verifiedWithEcdsa(xml, pem), ['Response', 'Assertion']);
      });

      it('are refused when nobody signed, when a stranger signed, and when they are late or for others', async () => {
        const wrongs: readonly [Record<string, unknown>, RegExp][] = [
          [{ sign: 'none' }, /signature/i],
          [{ key: 'foreign' }, /signature/i],
          [{ skewMs: -3_600_000 }, /expired/i],
          [{ skewMs: 3_600_000 }, /not yet valid/i],
          [{ audience: 'https://other.example' }, /audience/i],
        ];
        for (const [overrides, reason] of wrongs) {
          const { SAMLResponse } = await respond({ sign: 'both', ...overrides });
          await assert.rejects(accept(SAMLResponse, 'both'), reason, JSON.stringify(overrides));
        }
      });
    });
  }

  it('say in Okta attributes who somebody is', async () => {
    await idp.api('PUT', '/api/targets', { flavor: 'okta' });
    const { SAMLResponse, xml } = await respond({ personId: 'rosa' });
    const profile = await accept(SAMLResponse, 'both');
    assert.equal(profile['email'], 'rosa@acme.example');
    assert.equal(profile['userId'], '00u3r0s4rev1ewer7kd7');
    assert.equal(profile['groups'], 'Release Managers');
    assert.match(xml, /<saml2:AttributeValue xmlns:xs="[^"]+" xmlns:xsi="[^"]+" xsi:type="xs:string">/);
    assert.match(xml, /PrefixList="xs"/);
  });

  it('say in Entra claims who somebody is, groups by object id', async () => {
    await idp.api('PUT', '/api/targets', { flavor: 'entra' });
    const { SAMLResponse, xml } = await respond({ personId: 'rosa' });
    const profile = await accept(SAMLResponse, 'assertion');
    assert.equal(
      profile['http://schemas.microsoft.com/identity/claims/objectidentifier'],
      '3f1c2a58-7a0e-4c0b-9a41-0d5f6b1e0003',
    );
    assert.equal(
      profile['http://schemas.microsoft.com/ws/2008/06/identity/claims/groups'],
      '9b7e4d10-52c3-4b8f-8e66-41a7c9de0002',
    );
    assert.match(xml, /^<samlp:Response /);
    assert.match(xml, /<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion"/);
    assert.equal([...xml.matchAll(/<Signature /g)].length, 1, 'Entra signs the assertion only');
  });

  it('carry the issuer, session and authentication that a test asks for', async () => {
    const { SAMLResponse, xml } = await respond({
      sign: 'both',
      issuer: 'https://other.example',
      sessionIndex: null,
      sessionLifetimeMs: 600_000,
      authnContextClassRef: 'urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken',
      assertionInResponseTo: 'request-1',
      inResponseTo: 'request-2',
    });
    assert.equal((await accept(SAMLResponse, 'both')).issuer, 'https://other.example');
    assert.doesNotMatch(xml, /SessionIndex=/);
    assert.match(xml, /SessionNotOnOrAfter="\d{4}-/);
    assert.match(xml, /ac:classes:TimeSyncToken</);
    assert.match(xml, /Response [^>]*InResponseTo="request-2"/);
    assert.match(xml, /SubjectConfirmationData InResponseTo="request-1"/);
  });

  it('carry 150 groups as one attribute with many values', async () => {
    const groups = Array.from({ length: 150 }, (_, index) => `group ${String(index)}`);
    await idp.api('PUT', '/api/targets', { flavor: 'okta' });
    const { SAMLResponse } = await respond({ groups });
    assert.deepEqual((await accept(SAMLResponse, 'both'))['groups'], groups);
  });

  it('are not made for a deactivated person, unless a slow identity provider is played', async () => {
    await idp.api('POST', '/api/people/vera/deactivate');
    const refused = await idp.api('POST', '/api/saml/response', { personId: 'vera' });
    assert.deepEqual([refused.status, refused.body['error']], [403, 'PERSON_INACTIVE']);
    await respond({ personId: 'vera', evenIfInactive: true });
    await idp.api('PUT', '/api/targets', { behavior: { inactiveMaySignIn: true } });
    await respond({ personId: 'vera' });
    await idp.api('PUT', '/api/targets', { behavior: { inactiveMaySignIn: false } });
  });

  it('refuse options nobody knows', async () => {
    const answer = await idp.api('POST', '/api/saml/response', { personId: 'dana', audiense: 'x' });
    assert.deepEqual([answer.status, answer.body['error']], [400, 'REQUEST_MALFORMED']);
  });
});

/** Canonicalisation and digests by xml-crypto, the signature itself by node:crypto (xml-crypto knows no ECDSA). */
function verifiedWithEcdsa(xml: string, certificatePem: string): string[] {
  const document = new DOMParser().parseFromString(xml, 'text/xml');
  const signatures = Array.from(document.getElementsByTagNameNS('http://www.w3.org/2000/09/xmldsig#', 'Signature'));
  return signatures.map((node) => {
    const signed = new SignedXml({ publicCert: certificatePem, getCertFromKeyInfo: () => null });
    Object.assign(signed.SignatureAlgorithms, {
      'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256': class {
        getAlgorithmName = (): string => 'ecdsa-sha256';
        getSignature = (): string => '';
        verifySignature = (material: string, key: string, value: string): boolean =>
          verify('sha256', Buffer.from(material), { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(value, 'base64'));
      },
    });
    signed.loadSignature(node as unknown as string);
    assert.ok(signed.checkSignature(xml));
    const [reference = ''] = signed.getSignedReferences();
    return /^<(?:\w+:)?(\w+)/.exec(reference)?.[1] ?? '';
  });
}
