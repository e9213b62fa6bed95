/** Our OpenID Provider with people, a client application and openid-client: what the provider suites share. */
import assert from 'node:assert/strict';
import { inflateRawSync } from 'node:zlib';

import { createSelfSigned, freePort } from '@sallyport/dev-env';
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  ClientSecretBasic,
  discovery,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  type Configuration,
} from 'openid-client';

import type { IdentityConfig } from '../../src/config.ts';
import { Browser } from '../support/browser.ts';
import { apiClient, newDirectory, type Client, type Directory } from '../support/http.ts';
import {
  newOrganization,
  OWNER_PASSWORD,
  startIdentity,
  type TestIdentity,
  type TestOrganization,
} from '../support/identity.ts';
import { encoded, responseText, type SigningKey } from '../saml/idp.ts';

export const REDIRECT_URI = 'https://app.example/callback';
export const SCOPE = 'openid profile email offline_access';

export type Tokens = Awaited<ReturnType<typeof authorizationCodeGrant>>;

/** A client application, registered and discovered. */
export interface Application {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly configuration: Configuration;
}

/** An authorization request that was answered with a code. */
export interface Authorized {
  readonly callback: URL;
  readonly verifier: string;
  readonly state: string;
  readonly nonce: string;
}

export class ProviderScene {
  readonly identity: TestIdentity;
  readonly organization: TestOrganization;
  readonly api: Client;
  readonly directory: Directory;
  readonly origin: string;
  readonly idp: SigningKey;

  private constructor(
    parts: Pick<ProviderScene, 'identity' | 'organization' | 'api' | 'directory' | 'origin' | 'idp'>,
  ) {
    this.identity = parts.identity;
    this.organization = parts.organization;
    this.api = parts.api;
    this.directory = parts.directory;
    this.origin = parts.origin;
    this.idp = parts.idp;
  }

  static async start(config: Partial<IdentityConfig> = {}): Promise<ProviderScene> {
    const port = await freePort();
    const origin = `http://localhost:${port}`;
    const identity = await startIdentity({ config: { httpPort: port, publicOrigin: origin, ...config } });
    const organization = await newOrganization(identity);
    const api = apiClient(identity, organization);
    const directory = await newDirectory(identity, organization);
    const idp = await createSelfSigned('idp');
    await api('PUT', `/connections/${directory.connectionId}/saml`, {
      entityId: 'https://idp.example',
      ssoUrl: 'https://idp.example/sso',
      certificates: [idp.cert],
      allowIdpInitiated: true,
    });
    return new ProviderScene({ identity, organization, api, directory, origin, idp });
  }

  async close(): Promise<void> {
    await this.identity.close();
  }

  get issuer(): string {
    return `${this.origin}/oidc`;
  }

  /** Somebody of the directory; answers our id. */
  async person(name: string): Promise<string> {
    const answer = await this.directory.scim('POST', '/Users', {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
      userName: `${name}@example.com`,
      externalId: name,
      displayName: name,
      emails: [{ value: `${name}@example.com`, primary: true }],
      active: true,
    });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return answer.body.id;
  }

  async setActive(id: string, active: boolean): Promise<void> {
    const body = {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'replace', path: 'active', value: active }],
    };
    assert.equal((await this.directory.scim('PATCH', `/Users/${id}`, body)).status, 200);
  }

  /** Signs a browser in through the IdP. */
  async signIn(name: string, browser = new Browser()): Promise<Browser> {
    const { connectionId } = this.directory;
    const acsUrl = `${this.origin}/saml/${connectionId}/acs`;
    const xml = responseText({
      now: Date.now(),
      issuer: 'https://idp.example',
      audience: `${this.origin}/saml/${connectionId}/metadata`,
      acsUrl,
      inResponseTo: null,
      nameId: name,
      assertionId: `_a${Math.floor(performance.now() * 1000)}`,
      signing: { with: this.idp },
    });
    const answer = await browser.post(acsUrl, { SAMLResponse: encoded(xml) }, 'https://idp.example');
    assert.equal(answer.status, 303);
    return browser;
  }

  /** Answers the IdP's question a page of ours leads to, as the person did there so long ago. */
  async signInAt(browser: Browser, startPath: string, name: string, ageMs = 0): Promise<Response> {
    const sent = await browser.open(new URL(startPath.replaceAll('&amp;', '&'), this.origin));
    const { searchParams } = new URL(sent.headers.get('location') ?? '');
    const request = inflateRawSync(Buffer.from(searchParams.get('SAMLRequest') ?? '', 'base64')).toString();
    const acsUrl = `${this.origin}/saml/${this.directory.connectionId}/acs`;
    const xml = responseText({
      now: Date.now(),
      issuer: 'https://idp.example',
      audience: `${this.origin}/saml/${this.directory.connectionId}/metadata`,
      acsUrl,
      inResponseTo: / ID="([^"]+)"/.exec(request)?.[1] ?? '',
      nameId: name,
      authnInstant: Date.now() - ageMs,
      assertionId: `_a${Math.floor(performance.now() * 1000)}`,
      signing: { with: this.idp },
    });
    const form = { SAMLResponse: encoded(xml), RelayState: searchParams.get('RelayState') ?? '' };
    return await browser.post(acsUrl, form, 'https://idp.example');
  }

  /** Signs the Owner in with the password. */
  async signInLocally(browser: Browser): Promise<void> {
    const [organization] = await this.identity.admin<{ slug: string }>(
      'SELECT slug FROM identity.organization WHERE org_id = $1',
      [this.organization.orgId],
    );
    const credentials = {
      email: 'owner@example.com',
      password: OWNER_PASSWORD,
      organization: organization?.slug ?? '',
    };
    assert.equal((await browser.post(`${this.origin}/login/password`, credentials)).status, 303);
  }

  async register(over: object = {}, api = this.api): Promise<Application> {
    const answer = await api('POST', '/oauth-clients', {
      name: 'App',
      redirectUris: [REDIRECT_URI],
      apiAccess: true,
      ...over,
    });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    const { clientId, clientSecret } = answer.body as unknown as { clientId: string; clientSecret: string | null };
    const auth = clientSecret === null ? None() : ClientSecretBasic(clientSecret);
    const configuration = await discovery(new URL(this.issuer), clientId, undefined, auth, {
      execute: [allowInsecureRequests],
    });
    return { clientId, clientSecret: clientSecret ?? '', configuration };
  }

  /** The address of a new authorization request, and what belongs to it. */
  async request(
    app: Application,
    over: Record<string, string> = {},
  ): Promise<Omit<Authorized, 'callback'> & { url: URL }> {
    const [verifier, state, nonce] = [randomPKCECodeVerifier(), randomState(), randomNonce()];
    const url = buildAuthorizationUrl(app.configuration, {
      redirect_uri: REDIRECT_URI,
      scope: SCOPE,
      prompt: 'consent',
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
      ...over,
    });
    return { url, verifier, state, nonce };
  }

  /** Authorizes in a browser that is signed in, as far as the application's redirect address. */
  async authorize(browser: Browser, app: Application, over: Record<string, string> = {}): Promise<Authorized> {
    const { url, ...rest } = await this.request(app, over);
    const { url: callback, response } = await browser.follow(url, ({ origin }) => origin !== this.origin);
    assert.equal(callback.origin, 'https://app.example', `${callback.href}: ${await response.clone().text()}`);
    return { callback, ...rest };
  }

  async exchange(app: Application, { callback, verifier, state, nonce }: Authorized): Promise<Tokens> {
    return await authorizationCodeGrant(app.configuration, callback, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
    });
  }

  async tokens(browser: Browser, app: Application): Promise<Tokens> {
    return await this.exchange(app, await this.authorize(browser, app));
  }

  /** A raw call of the token endpoint. */
  async token(app: Application, parameters: Record<string, string>): Promise<Response> {
    return await this.form('/oidc/token', app, parameters);
  }

  async form(path: string, app: Application, parameters: Record<string, string>): Promise<Response> {
    const basic = Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64');
    return await fetch(this.origin + path, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams(parameters),
    });
  }

  /** The whole answer of the introspection endpoint. */
  async introspect(app: Application, token: string): Promise<Record<string, unknown>> {
    const answer = await this.form('/oidc/token/introspection', app, { token });
    assert.equal(answer.status, 200);
    return (await answer.json()) as Record<string, unknown>;
  }

  async me(credential: string | Browser): Promise<number> {
    const url = `${this.origin}/api/identity/v1/me`;
    if (typeof credential !== 'string') return (await credential.open(url)).status;
    return (await fetch(url, { headers: { authorization: `Bearer ${credential}` } })).status;
  }
}
