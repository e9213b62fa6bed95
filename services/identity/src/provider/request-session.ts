import { AsyncLocalStorage } from 'node:async_hooks';

import type { AuditContext } from '@sallyport/audit';
import { secretHash } from '@sallyport/storage';

import type { NewArtifact } from './artifact-store.ts';
import type { TokenRequest } from './token-request.ts';
import type { WorkloadProof } from './workload-token-store.ts';

/** The browser session of a request to the OpenID Provider, as far as its artifacts depend on it. */
export interface ProviderSession {
  readonly orgId: string;
  readonly id: string;
  readonly accountId: string;
  readonly epoch: bigint;
  readonly expiresAt: Date;
}

/** What the adapter has to know of the request it serves. */
export interface ProviderRequest {
  /** Null when the browser is not signed in, and at endpoints no browser calls. */
  readonly session: ProviderSession | null;
  readonly origin: Pick<AuditContext, 'requestId' | 'ip' | 'userAgent'>;
  /** The secret the client shows, hashed once. */
  shownSecret?: { readonly secret: string; readonly hash: Buffer };
  /** Hash of the secret the client has authenticated with. */
  secretHash?: Buffer;
  /** The service account that has authenticated, the epoch it did so in and the id of its key. */
  workload?: WorkloadProof;
  /** An assertion has just been verified and is to be used up. */
  isAssertion?: boolean;
  /** The assertion of a service account that is used up with its token; `now` does it without one. */
  useUp?: { readonly artifact: NewArtifact; readonly now: () => Promise<boolean> };
  /** At the token endpoint: what it reads and writes. */
  readonly token?: TokenRequest;
  /** Applications that have to be told that this session has ended for them. */
  readonly signedOutOf?: SignedOutApplication[];
}

/** An application, and the session as it knows it. */
export interface SignedOutApplication {
  readonly clientId: string;
  readonly sid: string;
}

// oidc-provider calls its adapter without any context. What an artifact is bound to, above all the epoch the person
// signed in with, must come from the request and not from a later read, or a revocation in between would be outlived.
const current = new AsyncLocalStorage<ProviderRequest>();

/** Serves a request of the provider with its browser session known to the adapter. */
export const withProviderRequest = <T>(request: ProviderRequest, serve: () => T): T => current.run(request, serve);

/**
 * Stands for the time of a sign-in of which the identity provider does not say when the person was there: applications
 * are told none (OIDC Core §2, auth_time), and it is past whatever age they allow. Zero is what the library takes for none.
 */
export const UNKNOWN_TIME = 0;

/** The request being served; undefined outside of one. */
export const providerRequest = (): ProviderRequest | undefined => current.getStore();

/** The hash of a secret the client of this request shows. */
export const hashOfShown = (secret: string): Buffer => {
  const request = current.getStore();
  if (request?.shownSecret?.secret === secret) return request.shownSecret.hash;
  const hash = secretHash(secret);
  if (request !== undefined) request.shownSecret = { secret, hash };
  return hash;
};

/** Notes which secret of the client was the right one: what is issued now ends with it. */
export const presentedSecret = (hash: Buffer): void => {
  const request = current.getStore();
  if (request !== undefined) request.secretHash = hash;
};

/** Notes that an application has to be told that somebody signed out. */
export const signedOutOf = (application: SignedOutApplication): void => {
  current.getStore()?.signedOutOf?.push(application);
};
