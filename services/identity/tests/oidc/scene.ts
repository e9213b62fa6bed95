/** The service with one connection to an OpenID Provider that does what a test wants: what the OIDC suites share. */
import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';
import type { JWTPayload } from 'jose';

import { Browser } from '../support/browser.ts';
import { apiClient, newDirectory, type Client, type Directory } from '../support/http.ts';
import { newOrganization, startAtOrigin, type TestIdentity, type TestOrganization } from '../support/identity.ts';
import { MockIdp, type Exchange } from './mock-idp.ts';

export const CLIENT_ID = 'sallyport';

/** A sign-in that has reached the IdP. */
export interface Started {
  readonly browser: Browser;
  readonly connectionId: string;
  readonly request: URLSearchParams;
}

export class OidcScene {
  readonly identity: TestIdentity;
  readonly organization: TestOrganization;
  readonly api: Client;
  readonly directory: Directory;
  readonly origin: string;
  readonly idp: MockIdp;

  private constructor(parts: Pick<OidcScene, 'identity' | 'organization' | 'api' | 'directory' | 'origin' | 'idp'>) {
    this.identity = parts.identity;
    this.organization = parts.organization;
    this.api = parts.api;
    this.directory = parts.directory;
    this.origin = parts.origin;
    this.idp = parts.idp;
  }

  static async start(): Promise<OidcScene> {
    const idp = await MockIdp.start();
    const { identity, origin } = await startAtOrigin({ config: { allowInsecurePrivateFetch: true } });
    const organization = await newOrganization(identity);
    const api = apiClient(identity, organization);
    const directory = await newDirectory(identity, organization);
    const scene = new OidcScene({ identity, organization, api, directory, origin, idp });
    await scene.putFacet({});
    await scene.person('ada');
    return scene;
  }

  async close(): Promise<void> {
    await this.identity.close();
    await this.idp.close();
  }

  get connectionId(): string {
    return this.directory.connectionId;
  }

  async person(name: string): Promise<string> {
    const schemas = ['urn:ietf:params:scim:schemas:core:2.0:User'];
    const user = { schemas, userName: `${name}@example.com`, externalId: name, active: true };
    const answer = await this.directory.scim('POST', '/Users', user);
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return answer.body.id;
  }

  async putFacet(more: object, connectionId = this.connectionId): Promise<void> {
    const body = { issuer: this.idp.issuer, clientId: CLIENT_ID, clientSecret: 'a secret of the IdP', ...more };
    const answer = await this.api('PUT', `/connections/${connectionId}/oidc`, body);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  }

  /** Another connection to an IdP. */
  async connect(issuer: string): Promise<string> {
    const made = await this.api('POST', '/connections', { name: `Another IdP ${newId()}` });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    await this.putFacet({ issuer }, made.body.id);
    return made.body.id;
  }

  async begin(connectionId = this.connectionId, browser = new Browser()): Promise<Started> {
    const answer = await browser.open(`${this.origin}/login/oidc/${connectionId}/start?returnTo=/account`);
    assert.equal(answer.status, 303, await answer.clone().text());
    const request = new URL(answer.headers.get('location') ?? '').searchParams;
    return { browser, connectionId, request };
  }

  claimsFor({ request }: Started, over: Record<string, unknown> = {}): JWTPayload {
    const now = Math.floor(Date.now() / 1000);
    const times = { iat: now, exp: now + 300, auth_time: now };
    const nonce = request.get('nonce') ?? '';
    return { iss: this.idp.issuer, sub: 'ada', aud: CLIENT_ID, nonce, ...times, ...over };
  }

  async callback(started: Started, parameters: Record<string, string> = {}): Promise<Response> {
    const query = new URLSearchParams({ code: 'c0de', state: started.request.get('state') ?? '', ...parameters });
    return await started.browser.open(`${this.origin}/login/oidc/${started.connectionId}/callback?${query.toString()}`);
  }

  /** The IdP answers this login with these claims. */
  async answer(started: Started, over: Record<string, unknown> = {}, more: Partial<Exchange> = {}): Promise<Response> {
    this.idp.exchange = () => ({ claims: this.claimsFor(started, over), ...more });
    return await this.callback(started);
  }

  /** A browser that is signed in. */
  async signIn(over: Record<string, unknown> = {}): Promise<Browser> {
    const started = await this.begin();
    const done = await this.answer(started, over);
    assert.equal(done.status, 303, await done.clone().text());
    return started.browser;
  }

  async isSignedIn(browser: Browser): Promise<boolean> {
    return (await browser.open(`${this.origin}/api/identity/v1/me`)).status === 200;
  }

  /** The newest entry of an action. */
  async last(action: string): Promise<Record<string, unknown>> {
    const [newest] = await this.identity.context.audit.list(this.organization.orgId, {
      limit: 1,
      order: 'newest-first',
      action,
    });
    return newest?.entry ?? {};
  }
}
