import { AppError } from '@sallyport/errors';
import type { GrpcClient } from '@sallyport/grpc';
import type { Principal as Caller } from '@sallyport/http';
import {
  CredentialType,
  PrincipalType,
  type IntrospectResponse,
  type IntrospectionServiceService,
  type Principal as WirePrincipal,
} from '@sallyport/proto/identity/v1';

import { credentialOf, type Credential, type CredentialRequest } from './credential.ts';

/** Who calls, as routes see it, and what only identity's answer says. */
export interface Principal extends Caller {
  /** The OAuth client of an access token. */
  readonly clientId?: string;
}

/** A Koa context, as far as it is needed. */
export interface PrincipalRequest {
  readonly req: CredentialRequest;
  /** Where @sallyport/http left the request id. */
  readonly res?: { getHeader(name: string): unknown };
}

export interface PrincipalClient {
  /**
   * Who sent the request: null without a credential, and when identity says it is not (or no longer) valid. Asks
   * identity every time, nothing is kept.
   *
   * @throws UNAUTHENTICATED when a credential is malformed or ambiguous; UNAVAILABLE when identity cannot be asked:
   *   a request that carries a credential is never served as anonymous because we could not check it
   */
  fromRequest(ctx: PrincipalRequest): Promise<Principal | null>;
  /** The same for one credential. */
  fromCredential(credential: Credential, requestId?: string): Promise<Principal | null>;
}

export interface PrincipalClientOptions {
  /** A client of identity; its owner closes it. */
  readonly grpc: GrpcClient<IntrospectionServiceService>;
  /** ms; default and maximum 1000. */
  readonly deadlineMs?: number;
}

const DEADLINE_MS = 1_000;

const unavailable = (cause: unknown): AppError =>
  new AppError('UNAVAILABLE', 'The credential could not be checked.', { cause, retryAfterSeconds: 1 });

const TYPES: Readonly<Record<number, Principal['type']>> = {
  [PrincipalType.PRINCIPAL_TYPE_USER]: 'user',
  [PrincipalType.PRINCIPAL_TYPE_SERVICE_ACCOUNT]: 'service_account',
};

const CREDENTIAL_TYPES: Readonly<Record<number, Principal['credentialType']>> = {
  [CredentialType.CREDENTIAL_TYPE_SESSION]: 'session',
  [CredentialType.CREDENTIAL_TYPE_API_TOKEN]: 'api_token',
  [CredentialType.CREDENTIAL_TYPE_ACCESS_TOKEN]: 'access_token',
};

const incomplete = (): AppError => unavailable(new AppError('INTERNAL', 'identity answered an incomplete principal'));

/** @throws UNAVAILABLE for an empty or missing value: half a principal must not become somebody */
const required = <T>(value: T | undefined): T => {
  if (value === undefined || value === '') throw incomplete();
  return value;
};

const optionalsOf = ({
  acr,
  amr,
  clientId,
  stepUpDue,
  sponsorSubjectIds,
}: WirePrincipal): Pick<Principal, 'acr' | 'amr' | 'clientId' | 'stepUpDue' | 'sponsorIds'> => ({
  ...(acr === '' ? {} : { acr }),
  ...(amr.length === 0 ? {} : { amr: Object.freeze(amr) }),
  ...(clientId === '' ? {} : { clientId }),
  ...(stepUpDue.length === 0 ? {} : { stepUpDue: Object.freeze(stepUpDue) }),
  ...(sponsorSubjectIds.length === 0 ? {} : { sponsorIds: Object.freeze(sponsorSubjectIds) }),
});

const toPrincipal = (wire: WirePrincipal): Principal =>
  Object.freeze({
    orgId: required(wire.orgId),
    orgSlug: wire.orgSlug,
    subjectId: required(wire.subjectId),
    type: required(TYPES[wire.type]),
    epoch: wire.epoch,
    credentialType: required(CREDENTIAL_TYPES[wire.credentialType]),
    credentialId: required(wire.credentialId),
    scopes: Object.freeze(wire.scopes),
    authenticatedAt: required(wire.authenticatedAt),
    expiresAt: required(wire.expiresAt),
    displayName: wire.displayName,
    ...optionalsOf(wire),
  });

/** A client that asks identity who stands behind a credential. */
export const createPrincipalClient = ({ grpc, deadlineMs = DEADLINE_MS }: PrincipalClientOptions): PrincipalClient => {
  const introspect = async (credential: Credential, requestId?: string): Promise<IntrospectResponse> => {
    try {
      return await grpc.unary(
        'introspect',
        { credential },
        { deadlineMs: Math.min(deadlineMs, DEADLINE_MS), ...(requestId === undefined ? {} : { requestId }) },
      );
    } catch (error) {
      // Also UNAUTHENTICATED and PERMISSION_DENIED: they speak of our own certificate, not of the caller.
      throw unavailable(error);
    }
  };

  const fromCredential = async (credential: Credential, requestId?: string): Promise<Principal | null> => {
    const response = await introspect(credential, requestId);
    return response.active ? toPrincipal(required(response.principal)) : null;
  };

  const fromRequest = async ({ req, res }: PrincipalRequest): Promise<Principal | null> => {
    const credential = credentialOf(req);
    if (credential === null) return null;
    const requestId = res?.getHeader('x-request-id');
    return await fromCredential(credential, typeof requestId === 'string' ? requestId : undefined);
  };

  return { fromRequest, fromCredential };
};
