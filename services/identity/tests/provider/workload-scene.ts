/** Service accounts with keys of their own, on the scene of the OpenID Provider. */
import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { allowInsecureRequests, clientCredentialsGrant, discovery, PrivateKeyJwt } from 'openid-client';

import type { IdentityConfig } from '../../src/config.ts';
import { apiClient, type Answer, type Client } from '../support/http.ts';
import type { TestOrganization } from '../support/identity.ts';
import { ProviderScene } from './scene.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** A service account with a key. */
export interface Machine {
  readonly id: string;
  readonly ownerId: string;
  readonly clientId: string;
  readonly keyId: string;
  readonly kid: string;
  readonly privateKey: CryptoKey;
}

/** What an assertion says otherwise than it should. */
export interface Forgery {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
  readonly key?: CryptoKey;
  readonly parameters?: Readonly<Record<string, string>>;
}

export const tomorrow = (): string => new Date(Date.now() + 86_400_000).toISOString();

/** A key pair, the public half as it is registered. */
export const newKey = async (kid = 'k1'): Promise<{ privateKey: CryptoKey; jwk: JWK & { kid: string } }> => {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid } };
};

export class WorkloadScene {
  readonly provider: ProviderScene;

  private constructor(provider: ProviderScene) {
    this.provider = provider;
  }

  static async start(config: Partial<IdentityConfig> = {}): Promise<WorkloadScene> {
    return new WorkloadScene(await ProviderScene.start(config));
  }

  async close(): Promise<void> {
    await this.provider.close();
  }

  /** A service account of somebody new in the directory, with one key. */
  async machineOf(name: string): Promise<Machine> {
    const ownerId = await this.provider.person(name);
    const id = await this.serviceAccount(`bot-${name}`);
    assert.equal((await this.provider.api('PUT', `/accounts/${id}/owner`, { ownerId })).status, 200);
    return { id, ownerId, ...(await this.addKey(id)) };
  }

  async serviceAccount(userName: string): Promise<string> {
    const made = await this.provider.api('POST', '/accounts', { kind: 'service_account', userName });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    return made.body.id;
  }

  async addKey(
    id: string,
    kid = 'k1',
    api: Client = this.provider.api,
  ): Promise<Pick<Machine, 'clientId' | 'keyId' | 'kid' | 'privateKey'>> {
    const { privateKey, jwk } = await newKey(kid);
    const added = await api('POST', `/accounts/${id}/keys`, { name: 'ci', jwk, expiresAt: tomorrow() });
    assert.equal(added.status, 201, JSON.stringify(added.body));
    return { clientId: String(added.body['clientId']), keyId: added.body.id, kid, privateKey };
  }

  /** As openid-client does it. */
  async token({ clientId, kid, privateKey }: Pick<Machine, 'clientId' | 'kid' | 'privateKey'>): Promise<string> {
    const auth = PrivateKeyJwt({ key: privateKey, kid });
    const configuration = await discovery(new URL(this.provider.issuer), clientId, undefined, auth, {
      execute: [allowInsecureRequests],
    });
    const answer = await clientCredentialsGrant(configuration);
    assert.equal(answer.refresh_token, undefined);
    assert.ok((answer.expires_in ?? 0) <= 3600);
    return answer.access_token;
  }

  /** A form that shows who it is, as somebody makes it who writes the assertion by hand. */
  async assertion(
    { clientId, kid, privateKey }: Machine,
    { claims, header, key }: Forgery = {},
  ): Promise<URLSearchParams> {
    const now = Math.floor(Date.now() / 1000);
    const right = { iss: clientId, sub: clientId, aud: this.provider.issuer, jti: newId(), iat: now, exp: now + 60 };
    const assertion = await new SignJWT({ ...right, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid, ...header })
      .sign(key ?? privateKey);
    return new URLSearchParams({
      token: 'unknown',
      client_assertion: assertion,
      client_assertion_type: ASSERTION_TYPE,
    });
  }

  /** Asks for a token with it. */
  async ask(
    machine: Machine,
    forgery: Forgery = {},
  ): Promise<{ status: number; body: Readonly<Record<string, unknown>> }> {
    const body = await this.assertion(machine, forgery);
    const parameters = { grant_type: 'client_credentials', ...forgery.parameters };
    for (const [name, value] of Object.entries(parameters)) body.set(name, value);
    const answer = await fetch(`${this.provider.issuer}/token`, { method: 'POST', body });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }

  async apiTokenOf({ id }: Pick<Machine, 'id'>, api: Client = this.provider.api): Promise<string> {
    const answer = await api('POST', `/accounts/${id}/api-tokens`, { name: 'static', expiresAt: tomorrow() });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return answer.body.token;
  }

  /** The Owner's calls of another organisation. */
  rival(organization: TestOrganization): Client {
    return apiClient(this.provider.identity, organization);
  }

  /** A call of our API with a token. */
  as(bearer: string): Client {
    return async (method, path, body) => {
      const { origin } = this.provider;
      const response = await fetch(`${origin}/api/identity/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        body: JSON.parse(text === '' ? '{}' : text) as Answer['body'],
      };
    };
  }

  async whoIs(bearer: string): Promise<Answer['body']> {
    return (await this.as(bearer)('GET', '/me')).body;
  }
}
