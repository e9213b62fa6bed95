/** A service with a SAML connection, and the IdP at its other end: what the sign-on suites share. */
import assert from 'node:assert/strict';
import { inflateRawSync } from 'node:zlib';

import { createSelfSigned } from '@sallyport/dev-env';

import { verifyDomain } from '../../src/login/index.ts';
import { Browser } from '../support/browser.ts';
import { apiClient, newDirectory, type Client, type Directory } from '../support/http.ts';
import {
  newOrganization,
  startAtOrigin,
  type TestIdentity,
  type TestOptions,
  type TestOrganization,
} from '../support/identity.ts';
import { encoded, responseText, type ResponseOptions, type SigningKey } from './idp.ts';

export const IDP = 'https://idp.example/saml';
const SSO = 'https://idp.example/sso';
export const SLO_ENDPOINT = 'https://idp.example/slo';
const SESSION = '__Host-sallyport_session';

/** A sign-in that has reached the IdP. */
export interface Started {
  readonly browser: Browser;
  readonly connectionId: string;
  readonly requestId: string;
  readonly relayState: string;
}

export class SamlScene {
  readonly identity: TestIdentity;
  readonly organization: TestOrganization;
  readonly api: Client;
  readonly directory: Directory;
  readonly origin: string;
  readonly idp: SigningKey;

  private constructor(parts: Pick<SamlScene, 'identity' | 'organization' | 'api' | 'directory' | 'origin' | 'idp'>) {
    this.identity = parts.identity;
    this.organization = parts.organization;
    this.api = parts.api;
    this.directory = parts.directory;
    this.origin = parts.origin;
    this.idp = parts.idp;
  }

  /** With a connection that has a directory and SAML. */
  static async start(options: TestOptions = {}): Promise<SamlScene> {
    const { identity, origin } = await startAtOrigin(options);
    const organization = await newOrganization(identity);
    const api = apiClient(identity, organization);
    const directory = await newDirectory(identity, organization);
    const idp = await createSelfSigned('idp');
    const scene = new SamlScene({ identity, organization, api, directory, origin, idp });
    await scene.putFacet(directory.connectionId, {});
    return scene;
  }

  async close(): Promise<void> {
    await this.identity.close();
  }

  get connectionId(): string {
    return this.directory.connectionId;
  }

  async putFacet(connectionId: string, more: object, api = this.api): Promise<void> {
    const facet = { entityId: IDP, ssoUrl: SSO, certificates: [this.idp.cert], ...more };
    const answer = await api('PUT', `/connections/${connectionId}/saml`, facet);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  }

  /** The operator vouches for domains that a connection lists. */
  async prove(connectionId: string, ...domains: readonly string[]): Promise<void> {
    const { orgId } = this.organization;
    for (const domain of domains) {
      const claim = { orgId, connectionId, domain, verified: true };
      await verifyDomain(this.identity.context, claim, { requestId: 'test', operator: 'operator' });
    }
  }

  /** Provisions somebody; answers our id. */
  async person(externalId: string, userName: string): Promise<string> {
    const answer = await this.directory.scim('POST', '/Users', {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
      userName,
      externalId,
      emails: [{ value: userName, primary: true }],
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

  slo(connectionId = this.connectionId): string {
    return `${this.origin}/saml/${connectionId}/slo`;
  }

  acs(connectionId = this.connectionId): string {
    return `${this.origin}/saml/${connectionId}/acs`;
  }

  /** Begins a sign-in in a browser, as far as the IdP. */
  async begin(browser = new Browser(), connectionId = this.connectionId): Promise<Started> {
    const returnTo = encodeURIComponent('/account?from=saml');
    const answer = await browser.open(`${this.origin}/saml/${connectionId}/login?returnTo=${returnTo}`);
    assert.equal(answer.status, 303);
    const location = new URL(answer.headers.get('location') ?? '');
    assert.equal(location.origin + location.pathname, SSO);
    const request = inflateRawSync(Buffer.from(location.searchParams.get('SAMLRequest') ?? '', 'base64')).toString();
    const requestId = / ID="([^"]+)"/.exec(request)?.[1] ?? '';
    return { browser, connectionId, requestId, relayState: location.searchParams.get('RelayState') ?? '' };
  }

  /** What a valid answer to this request says, for the connection it was made for or another one. */
  response(
    requestId: string | null,
    over: Partial<ResponseOptions> = {},
    connectionId = this.connectionId,
  ): ResponseOptions {
    return {
      now: Date.now(),
      issuer: IDP,
      audience: `${this.origin}/saml/${connectionId}/metadata`,
      acsUrl: this.acs(connectionId),
      inResponseTo: requestId,
      assertionId: `_a${Math.floor(performance.now() * 1000)}`,
      signing: { with: this.idp },
      ...over,
    };
  }

  /** Posts a message as the page of the IdP would. */
  async post(
    browser: Browser,
    samlResponse: string,
    relayState?: string,
    connectionId = this.connectionId,
  ): Promise<Response> {
    const fields = { SAMLResponse: samlResponse, ...(relayState === undefined ? {} : { RelayState: relayState }) };
    return await browser.post(this.acs(connectionId), fields, 'https://idp.example');
  }

  /** The IdP answers a sign-in, validly unless told otherwise. */
  async answer(started: Started, over: Partial<ResponseOptions> = {}): Promise<Response> {
    const { browser, connectionId, requestId, relayState } = started;
    const message = encoded(responseText(this.response(requestId, over, connectionId)));
    return await this.post(browser, message, relayState, connectionId);
  }

  /** The reason the audit log holds for a refused message. */
  async refusalOf(answer: Response, action = 'login.refused'): Promise<unknown> {
    const filter = { limit: 1, action, requestId: answer.headers.get('x-request-id') ?? '' };
    return (await this.identity.context.audit.list(this.organization.orgId, filter))[0]?.entry['reason'];
  }

  /** Refused with the one page, audited with this reason, and without a session. */
  async isRefused(answer: Response, reason: string): Promise<void> {
    assert.equal(answer.status, 403);
    assert.equal(await this.refusalOf(answer), reason);
    assert.ok(!answer.headers.getSetCookie().some((cookie) => cookie.startsWith(SESSION)));
  }

  async sessions(): Promise<number> {
    const [row] = await this.identity.admin<{ n: number }>('SELECT count(*)::int AS n FROM identity.browser_session');
    return row?.n ?? -1;
  }

  async me(browser: Browser): Promise<Record<string, unknown>> {
    return (await (await browser.open(`${this.origin}/api/identity/v1/me`)).json()) as Record<string, unknown>;
  }

  /** Hundreds of refusals from one address are the point of these suites; the limit has a test of its own. */
  async forgetAttempts(): Promise<void> {
    await this.identity.admin('TRUNCATE identity.login_throttle');
  }
}
