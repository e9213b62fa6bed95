import type { HttpClient } from '../scim/http-client.ts';
import type { ClientKey } from './assertion.ts';

export const REDIRECT_URI = 'https://app.example/callback';
/** A refresh token, and an ID token to sign. */
export const SCOPE = 'openid offline_access';

/** An authorization code nobody has redeemed, and what redeems it. */
export interface Code {
  readonly code: string;
  readonly verifier: string;
}

/** Whoever authenticates with a secret, in the header. */
export interface SecretClient {
  readonly id: string;
  readonly secret: string;
}

/** CPU time of the process and of its database; ms. */
export interface Cost {
  readonly process: number;
  readonly database: number;
}

/** One of the two OpenID Providers that are compared, in a process of its own. */
export interface Contender {
  readonly client: HttpClient;
  readonly tokenPath: string;
  readonly issuer: string;
  /** Has tokens of its own (client credentials), for a secret and for a key. */
  readonly machine: SecretClient;
  readonly workload: { readonly id: string; readonly key: ClientKey };
  /** People sign in through it: code flow with PKCE. */
  readonly application: SecretClient;
  /** Codes of different people; not what is measured. */
  codes(count: number): Promise<Code[]>;
  /** CPU time since the start. */
  cpuMs(): Promise<Cost>;
  close(): Promise<void>;
}
