import assert from 'node:assert/strict';

import { systemClock, type Clock } from '@sallyport/storage';
import {
  allowInsecureRequests,
  clientCredentialsGrant,
  ClientSecretPost,
  discovery,
  type ClientAuth,
  type Configuration,
} from 'openid-client';

import { apiClient, newDirectory, type Client, type Directory } from './http.ts';
import {
  newOrganization,
  startAtOrigin,
  type TestIdentity,
  type TestOptions,
  type TestOrganization,
} from './identity.ts';

/** Real time, moved on by a test. */
export class MovedClock implements Clock {
  #aheadMs = 0;

  now(): Date {
    return new Date(systemClock.now().getTime() + this.#aheadMs);
  }

  monotonicMs(): number {
    return systemClock.monotonicMs();
  }

  advance(ms: number): void {
    this.#aheadMs += ms;
  }
}

/** What the admin API answers of a new client. */
export interface NewClient {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly secretId: string;
  readonly tokenUrl: string;
  readonly tokenTtlMinutes: number;
}

/** The service under an origin clients can discover, with one organisation and one directory. */
export class CredentialScene {
  readonly identity: TestIdentity;
  readonly organization: TestOrganization;
  readonly api: Client;
  readonly directory: Directory;
  readonly origin: string;
  readonly clock: MovedClock;

  private constructor(
    parts: Omit<CredentialScene, 'clientsOf' | 'newClient' | 'configure' | 'tokenOf' | 'form' | 'close'>,
  ) {
    this.identity = parts.identity;
    this.organization = parts.organization;
    this.api = parts.api;
    this.directory = parts.directory;
    this.origin = parts.origin;
    this.clock = parts.clock;
  }

  static async start(options: TestOptions = {}): Promise<CredentialScene> {
    const clock = new MovedClock();
    const { identity, origin } = await startAtOrigin({ clock, ...options });
    const organization = await newOrganization(identity);
    const api = apiClient(identity, organization);
    const directory = await newDirectory(identity, organization);
    return new CredentialScene({ identity, organization, api, directory, origin, clock });
  }

  clientsOf(directory: Directory = this.directory): string {
    return `/connections/${directory.connectionId}/scim-clients`;
  }

  async newClient(over: object = {}, directory: Directory = this.directory): Promise<NewClient> {
    const answer = await this.api('POST', this.clientsOf(directory), { name: 'Entra', ...over });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return answer.body as unknown as NewClient;
  }

  async configure({ clientId }: Pick<NewClient, 'clientId'>, authentication: ClientAuth): Promise<Configuration> {
    return await discovery(new URL(`${this.origin}/oidc`), clientId, undefined, authentication, {
      execute: [allowInsecureRequests],
    });
  }

  /** An access token, as a gallery application has it. */
  async tokenOf(client: Pick<NewClient, 'clientId' | 'clientSecret'>): Promise<string> {
    const configuration = await this.configure(client, ClientSecretPost(client.clientSecret));
    return (await clientCredentialsGrant(configuration)).access_token;
  }

  /** A raw form at the OpenID Provider. */
  async form(
    path: string,
    parameters: Record<string, string>,
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await fetch(`${this.origin}/oidc${path}`, {
      method: 'POST',
      body: new URLSearchParams(parameters),
    });
    const text = await response.text();
    return { status: response.status, body: JSON.parse(text === '' ? '{}' : text) as Record<string, unknown> };
  }

  async close(): Promise<void> {
    await this.identity.close();
  }
}
