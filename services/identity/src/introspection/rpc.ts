import { grpcService, unary } from '@sallyport/grpc';
import type { Principal } from '@sallyport/http';
import {
  CredentialType,
  IntrospectResponse,
  IntrospectionServiceService,
  PrincipalType,
  type Principal as WirePrincipal,
} from '@sallyport/proto/identity/v1';

import type { IdentityContext } from '../context.ts';
import { resolveCredential } from './resolve-credential.ts';

const PRINCIPAL_TYPES = {
  user: PrincipalType.PRINCIPAL_TYPE_USER,
  service_account: PrincipalType.PRINCIPAL_TYPE_SERVICE_ACCOUNT,
} as const;

const CREDENTIAL_TYPES = {
  session: CredentialType.CREDENTIAL_TYPE_SESSION,
  api_token: CredentialType.CREDENTIAL_TYPE_API_TOKEN,
  access_token: CredentialType.CREDENTIAL_TYPE_ACCESS_TOKEN,
} as const;

const toWire = (principal: Principal & { readonly clientId?: string }): WirePrincipal => ({
  orgId: principal.orgId,
  subjectId: principal.subjectId,
  type: PRINCIPAL_TYPES[principal.type],
  epoch: principal.epoch,
  credentialType: CREDENTIAL_TYPES[principal.credentialType],
  credentialId: principal.credentialId,
  scopes: [...principal.scopes],
  authenticatedAt: principal.authenticatedAt,
  expiresAt: principal.expiresAt,
  acr: principal.acr ?? '',
  amr: [...(principal.amr ?? [])],
  orgSlug: principal.orgSlug,
  displayName: principal.displayName,
  clientId: principal.clientId ?? '',
  sponsorSubjectIds: [...(principal.sponsorIds ?? [])],
  stepUpDue: [...(principal.stepUpDue ?? [])],
});

const inactive = (reason: string): IntrospectResponse =>
  IntrospectResponse.fromPartial({ active: false, inactiveReason: reason });

/** Who stands behind a credential, for the services that enforce. Never cached, on neither side. */
export const introspectionService = (context: IdentityContext) =>
  grpcService(IntrospectionServiceService, {
    introspect: {
      allow: ['policy', 'flags'],
      handler: unary(async ({ credential }) => {
        if (credential === undefined || credential.value === '') return inactive('MALFORMED');
        const resolved = await resolveCredential(context, credential);
        if (!resolved.active) return inactive(resolved.reason);
        return { active: true, inactiveReason: '', principal: toWire(resolved.principal) };
      }),
    },
  });
