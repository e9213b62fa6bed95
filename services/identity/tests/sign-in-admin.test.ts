import assert from 'node:assert/strict';

import { createSelfSigned } from '@sallyport/dev-env';
import { computedMs } from '@sallyport/testing';

import { verifyDomain } from '../src/login/index.ts';
import { Browser } from './support/browser.ts';
import { apiClient, type Client } from './support/http.ts';
import {
  newOrganization,
  OWNER_PASSWORD,
  startAtOrigin,
  type TestIdentity,
  type TestOrganization,
} from './support/identity.ts';

const MD = 'urn:oasis:names:tc:SAML:2.0:metadata';
const REDIRECT = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect';

describe('setting sign-in up', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let stranger: Client;
  let api: Client;
  let origin: string;
  let id: string;
  let certificate: string;

  before(async () => {
    ({ identity, origin } = await startAtOrigin());
    organization = await newOrganization(identity);
    api = apiClient(identity, organization);
    stranger = apiClient(identity, await newOrganization(identity));
    id = (await api('POST', '/connections', { name: 'Okta' })).body.id;
    certificate = (await createSelfSigned('idp')).cert;
  });
  after(async () => {
    await identity.close();
  });

  const bare = (pem: string): string => pem.replaceAll(/-----[A-Z ]+-----|\s/g, '');

  const metadata = (over: { role?: string; keys?: string; service?: string; entity?: string } = {}): string => {
    const keys =
      over.keys ??
      `<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>\n${bare(certificate)}\n</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`;
    const service =
      over.service ?? `<md:SingleSignOnService Binding="${REDIRECT}" Location="https://idp.example/sso"/>`;
    const role =
      over.role ??
      `<md:IDPSSODescriptor WantAuthnRequestsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">${keys}${service}</md:IDPSSODescriptor>`;
    return `<?xml version="1.0" encoding="UTF-8"?><!-- made by a vendor --><md:EntityDescriptor xmlns:md="${MD}"${over.entity ?? ' entityID="https://idp.example/saml"'}>${role}</md:EntityDescriptor>`;
  };

  const put = async (body: object) => await api('PUT', `/connections/${id}/saml`, body);

  describe('SAML', () => {
    it("takes the identity provider's metadata and says what it needs to know of us", async () => {
      const { status, body } = await put({ metadataXml: metadata() });
      assert.equal(status, 200, JSON.stringify(body));
      assert.deepEqual(
        [body['entityId'], body['ssoUrl'], body['signRequests']],
        ['https://idp.example/saml', 'https://idp.example/sso', true],
      );
      assert.deepEqual(body['serviceProvider'], {
        entityId: `${origin}/saml/${id}/metadata`,
        acsUrl: `${origin}/saml/${id}/acs`,
        metadataUrl: `${origin}/saml/${id}/metadata`,
        loginUrl: `${origin}/saml/${id}/login`,
        singleLogoutUrl: `${origin}/saml/${id}/slo`,
      });
      assert.deepEqual((await api('GET', `/connections/${id}/saml`)).body, body);
    });

    const broken: readonly (readonly [string, () => object])[] = [
      ['neither metadata nor fields', () => ({})],
      ['something that is not XML', () => ({ metadataXml: 'hello' })],
      ['a DOCTYPE', () => ({ metadataXml: `<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]>${metadata()}` })],
      ['no entityID', () => ({ metadataXml: metadata({ entity: '' }) })],
      ['no identity provider', () => ({ metadataXml: metadata({ role: '<md:SPSSODescriptor/>' }) })],
      ['no certificate', () => ({ metadataXml: metadata({ keys: '' }) })],
      [
        'only an encryption certificate',
        () => ({ metadataXml: metadata().replace('use="signing"', 'use="encryption"') }),
      ],
      ['a certificate that is none', () => ({ metadataXml: metadata().replace(bare(certificate), 'AAAA') })],
      ['no redirect endpoint', () => ({ metadataXml: metadata({ service: '' }) })],
      ['a script as address', () => ({ entityId: 'x', ssoUrl: 'javascript:alert(1)', certificates: [certificate] })],
      ['a plain http address', () => ({ entityId: 'x', ssoUrl: 'http://idp.example/', certificates: [certificate] })],
      ['no certificate in the fields', () => ({ entityId: 'x', ssoUrl: 'https://idp.example/', certificates: [] })],
      ['100,000 comments that never end', () => ({ metadataXml: '<!--'.repeat(100_000) })],
    ];
    for (const [name, body] of broken) {
      it(`refuses ${name}, and changes nothing`, async () => {
        const before = (await api('GET', `/connections/${id}/saml`)).body;
        const beforeMs = computedMs();
        assert.equal((await put(body())).status, 400);
        assert.ok(computedMs() - beforeMs < 1_000);
        assert.deepEqual((await api('GET', `/connections/${id}/saml`)).body, before);
      });
    }

    it('takes base64 certificates as well as PEM, and shows fingerprints only', async () => {
      const { body } = await put({
        entityId: 'urn:idp',
        ssoUrl: 'https://idp.example/',
        certificates: [bare(certificate)],
      });
      assert.match(JSON.stringify(body['certificates']), /fingerprintSha256/);
      assert.ok(!JSON.stringify(body).includes(bare(certificate).slice(100, 160)));
    });

    it('is recorded with before and after', async () => {
      await put({ metadataXml: metadata() });
      const [last] = await identity.context.audit.list(organization.orgId, {
        limit: 1,
        order: 'newest-first',
        action: 'saml-facet.updated',
      });
      assert.deepEqual(last?.entry['target'], { type: 'connection', id });
      assert.ok(JSON.stringify(last).includes('urn:idp'));
    });
  });

  it("is nobody else's: another organisation's connection is not found", async () => {
    const facets: readonly (readonly [string, object])[] = [
      ['saml', { metadataXml: metadata() }],
      ['oidc', { issuer: 'https://idp.example', clientId: 'x' }],
      ['domains', { domains: ['evil.example'] }],
    ];
    for (const [facet, body] of facets) {
      assert.equal((await stranger('GET', `/connections/${id}/${facet}`)).status, 404);
      assert.equal((await stranger('PUT', `/connections/${id}/${facet}`, body)).status, 404);
      if (facet !== 'domains') assert.equal((await stranger('DELETE', `/connections/${id}/${facet}`)).status, 404);
    }
  });

  it('needs connection:manage', async () => {
    identity.denied.add('connection:manage');
    for (const facet of ['saml', 'oidc', 'domains']) {
      assert.equal((await api('PUT', `/connections/${id}/${facet}`, {})).status, 403);
    }
    identity.denied.delete('connection:manage');
  });

  it('removes a facet; nobody signs in through it any more', async () => {
    await put({ metadataXml: metadata() });
    assert.equal((await fetch(`${origin}/saml/${id}/login`, { redirect: 'manual' })).status, 303);
    assert.equal((await api('DELETE', `/connections/${id}/saml`)).status, 204);
    assert.equal((await api('DELETE', `/connections/${id}/saml`)).status, 404);
    assert.equal((await fetch(`${origin}/saml/${id}/login`, { redirect: 'manual' })).status, 403);
    await put({ metadataXml: metadata() });
  });

  describe('home realm', () => {
    const ask = async (email: string): Promise<string> =>
      await (await new Browser().post(`${origin}/login/start`, { email, returnTo: '/account' })).text();

    const vouch = async (connectionId: string): Promise<void> => {
      const claim = { orgId: organization.orgId, connectionId, domain: 'acme.example', verified: true };
      await verifyDomain(identity.context, claim, { requestId: 'test', operator: 'operator' });
    };

    it('leads nobody anywhere by a claim alone', async () => {
      await api('PUT', `/connections/${id}/domains`, { domains: ['Acme.example'] });
      assert.match(await ask('ada@acme.example'), /name="password"/);
    });

    it('leads everybody of a domain to its identity provider, known or not', async () => {
      await vouch(id);
      const page = await ask('ada@acme.example');
      assert.match(
        page,
        new RegExp(`<meta http-equiv="refresh" content="0; url=/saml/${id}/login\\?returnTo=%2Faccount">`),
      );
      assert.equal(await ask('nobody-here@ACME.example'), page);
    });

    it('offers a choice where several serve the domain, and the local form where none does', async () => {
      const second = await api('POST', '/connections', { name: '<Entra>' });
      await api('PUT', `/connections/${second.body.id}/oidc`, { issuer: 'https://idp.example', clientId: 'x' });
      await api('PUT', `/connections/${second.body.id}/domains`, { domains: ['acme.example'] });
      await vouch(second.body.id);
      const page = await ask('ada@acme.example');
      assert.ok(page.includes('&lt;Entra&gt;') && page.includes('Okta') && !page.includes('http-equiv="refresh"'));
      await api('PATCH', `/connections/${second.body.id}`, { enabled: false });
      assert.ok(!(await ask('ada@acme.example')).includes('Entra'));
      assert.match(await ask('ada@elsewhere.example'), /name="password"/);
    });

    it('takes no nonsense for a domain', async () => {
      for (const domain of ['gmail.com', '', 'a b', '*.example', 'https://x.example', 'x']) {
        assert.equal((await api('PUT', `/connections/${id}/domains`, { domains: [domain] })).status, 400, domain);
      }
    });
  });

  describe('administrators', () => {
    const signIn = async (): Promise<Browser> => {
      const browser = new Browser();
      const [row] = await identity.admin<{ slug: string }>('SELECT slug FROM identity.organization WHERE org_id = $1', [
        organization.orgId,
      ]);
      await browser.post(`${origin}/login/password`, {
        email: 'owner@example.com',
        password: OWNER_PASSWORD,
        organization: row?.slug ?? '',
      });
      return browser;
    };
    const me = async (browser: Browser): Promise<number> => (await browser.open(`${origin}/api/identity/v1/me`)).status;

    it('list and end the sessions of others, with session:manage (ASVS 7.4.5)', async () => {
      const [one, two, three] = [await signIn(), await signIn(), await signIn()];
      const path = `/accounts/${organization.ownerId}/sessions`;
      const { items } = (await api('GET', path)).body;
      assert.equal(items.length, 3);
      assert.equal((await api('DELETE', `${path}/${items[0]?.id}`)).status, 204);
      assert.deepEqual([await me(one), await me(two), await me(three)], [200, 200, 401]);
      assert.equal((await stranger('DELETE', `${path}/${items[1]?.id}`)).status, 404);
      // Another organisation's account is none, which is not the same as one without sessions.
      for (const method of ['GET', 'DELETE']) assert.equal((await stranger(method, path)).status, 404, method);
      assert.equal(await me(one), 200);
      identity.denied.add('session:manage');
      assert.equal((await api('DELETE', path)).status, 403);
      identity.denied.delete('session:manage');
      assert.equal((await api('DELETE', path)).status, 204);
      assert.deepEqual([await me(one), await me(two)], [401, 401]);
    });

    it('give service accounts tokens, and people none', async () => {
      const made = await api('POST', '/accounts', { kind: 'service_account', userName: 'deployer' });
      const path = `/accounts/${made.body.id}/api-tokens`;
      const body = { name: 'ci', expiresAt: new Date(Date.now() + 60_000).toISOString() };
      const issued = await api('POST', path, body);
      assert.equal(issued.status, 201, JSON.stringify(issued.body));
      const who = async () =>
        await fetch(`${origin}/api/identity/v1/me`, { headers: { authorization: `Bearer ${issued.body.token}` } });
      assert.equal(((await (await who()).json()) as { type: string }).type, 'service_account');
      assert.equal((await api('GET', path)).body.items.length, 1);
      assert.equal((await api('POST', `/accounts/${organization.ownerId}/api-tokens`, body)).status, 409);
      assert.equal((await stranger('POST', path, body)).status, 404);
      assert.equal((await stranger('DELETE', `${path}/${issued.body.id}`)).status, 404);
      assert.equal((await who()).status, 200);
      assert.equal((await api('DELETE', `${path}/${issued.body.id}`)).status, 204);
      assert.equal((await who()).status, 401);
    });
  });
});
