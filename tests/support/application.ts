import { expectStatus } from '@sallyport/dev-env/actors';
import * as client from 'openid-client';

import type { Company } from '../src/company.ts';

/** Nothing listens there: a scripted browser stops before it. */
export const REDIRECT_URI = 'http://localhost:1/application/callback';

/** A sign-in under way: where to send the browser, and what to compare with what it brings back. */
export interface Beginning {
  readonly url: URL;
  readonly checks: {
    readonly pkceCodeVerifier: string;
    readonly expectedState: string;
    readonly expectedNonce: string;
  };
}

/** An application that trusts Sallyport's OpenID Provider through openid-client, as a customer's would. */
export interface Application {
  readonly config: client.Configuration;
  readonly clientId: string;
  begin(parameters?: Readonly<Record<string, string>>): Promise<Beginning>;
}

/** Registers a confidential client and discovers the provider (OpenID Connect Discovery 1.0). */
export const registerApplication = async (
  { owner, constellation }: Company,
  name: string,
  redirectUri = REDIRECT_URI,
): Promise<Application> => {
  const wanted = { name, redirectUris: [redirectUri], postLogoutRedirectUris: [redirectUri] };
  const made = await expectStatus(owner, 201, 'POST', '/api/identity/v1/oauth-clients', wanted);
  const clientId = String(made['clientId']);
  const config = await client.discovery(
    new URL(constellation.bootstrap.oidc.issuer),
    clientId,
    String(made['clientSecret']),
    undefined,
    // The constellation of a test is on this machine, without TLS.
    { execute: [client.allowInsecureRequests] },
  );
  return {
    config,
    clientId,
    begin: async (parameters = {}) => {
      const pkceCodeVerifier = client.randomPKCECodeVerifier();
      const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
      const url = client.buildAuthorizationUrl(config, {
        redirect_uri: redirectUri,
        scope: 'openid profile email offline_access',
        prompt: 'consent',
        state: expectedState,
        nonce: expectedNonce,
        code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256',
        ...parameters,
      });
      return { url, checks: { pkceCodeVerifier, expectedState, expectedNonce } };
    },
  };
};
