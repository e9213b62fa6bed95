import { AppError } from '@sallyport/errors';
import { route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../../context.ts';
import { accountRuleSchema, authorizedBy, authorizedLater } from '../../login/index.ts';
import { describeCertificate } from '../metadata/certificate.ts';
import { putFacet, removeFacet } from './change-facet.ts';
import { facetInputSchema } from './facet-input.ts';
import { findSamlFacet, type SamlFacet } from './facet-store.ts';
import { refreshMetadata } from '../metadata/refresh-metadata.ts';
import { acsUrlOf, entityIdOf, sloUrlOf } from '../service-provider.ts';
import { countedAttempt, metadataReadingRules } from '../../throttle/index.ts';
import { WARNING_CODES, warningsOf } from '../metadata/warnings.ts';

const PATH = '/api/identity/v1/connections/:connectionId/saml';
const MIB = 1024 * 1024;
const params = z.object({ connectionId: z.uuid() });

const certificateSchema = z.object({
  subject: z.string(),
  fingerprintSha256: z.string(),
  notBefore: z.string(),
  notAfter: z.string(),
});
const instant = z.iso.datetime().nullable();

const facetSchema = z.object({
  connectionId: z.uuid(),
  entityId: z.string(),
  ssoUrl: z.string(),
  singleLogout: z
    .object({ url: z.string(), binding: z.enum(['redirect', 'post']), responseUrl: z.string().nullable() })
    .nullable(),
  certificates: z.array(certificateSchema),
  /** Where the description comes from; url null = it was uploaded or given field by field. */
  metadata: z.object({
    url: z.string().nullable(),
    pins: z.array(certificateSchema),
    validUntil: instant,
    readAt: instant,
    dueAt: instant,
    problem: z.string().nullable(),
  }),
  /** What needs an administrator before, or because, people cannot sign in. */
  warnings: z.array(
    z.object({ code: z.enum(WARNING_CODES), detail: z.string(), at: instant, alarmDays: z.number().int() }),
  ),
  signRequests: z.boolean(),
  requireSignedResponse: z.boolean(),
  requireSignedAssertion: z.boolean(),
  allowIdpInitiated: z.boolean(),
  accountRule: accountRuleSchema,
  /** What the IdP is set up with. */
  serviceProvider: z.object({
    entityId: z.string(),
    acsUrl: z.string(),
    singleLogoutUrl: z.string(),
    metadataUrl: z.string(),
    loginUrl: z.string(),
  }),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
});

type Answer = z.input<typeof facetSchema>;

const text = (at: Date | null): string | null => at?.toISOString() ?? null;

const renderMetadata = ({ metadata }: SamlFacet): Answer['metadata'] => ({
  url: metadata.url,
  pins: metadata.pins.map(describeCertificate),
  validUntil: text(metadata.validUntil),
  readAt: text(metadata.readAt),
  dueAt: text(metadata.dueAt),
  problem: metadata.problem,
});

const render = ({ samlServiceProvider: sp, clock }: IdentityContext, facet: SamlFacet): Answer => ({
  connectionId: facet.connectionId,
  entityId: facet.idpEntityId,
  ssoUrl: facet.ssoUrl,
  singleLogout: facet.logout,
  certificates: facet.certificates.map(describeCertificate),
  metadata: renderMetadata(facet),
  warnings: warningsOf(facet, clock.now()).map((warning) => ({ ...warning, at: text(warning.at) })),
  signRequests: facet.signRequests,
  requireSignedResponse: facet.requireSignedResponse,
  requireSignedAssertion: facet.requireSignedAssertion,
  allowIdpInitiated: facet.allowIdpInitiated,
  accountRule: facet.accountRule,
  serviceProvider: {
    entityId: entityIdOf(sp, facet.connectionId),
    acsUrl: acsUrlOf(sp, facet.connectionId),
    singleLogoutUrl: sloUrlOf(sp, facet.connectionId),
    metadataUrl: entityIdOf(sp, facet.connectionId),
    loginUrl: `${sp.publicOrigin}/saml/${facet.connectionId}/login`,
  },
  createdAt: facet.createdAt.toISOString(),
  updatedAt: facet.updatedAt.toISOString(),
});

const getFacet = async ({ db }: IdentityContext, orgId: string, connectionId: string): Promise<SamlFacet> => {
  const facet = await db.read(orgId, async (tx) => await findSamlFacet(tx, orgId, connectionId));
  if (facet === null) throw new AppError('NOT_FOUND', 'The connection has no SAML sign-in.');
  return facet;
};

const refreshRoute = (context: IdentityContext): Route =>
  route({
    method: 'POST',
    path: `${PATH}/refresh`,
    permission: 'connection:manage',
    surface: 'api',
    summary: "Reads the identity provider's metadata again from its address, now.",
    params,
    responses: { 200: facetSchema, 400: null, 404: null, 429: null },
    handler: async ({ params: { connectionId }, context: request }) => {
      const who = authorizedLater(request, 'connection:manage');
      await countedAttempt(context, metadataReadingRules(who.audit.orgId));
      const refreshed = await refreshMetadata(context, who, await getFacet(context, who.audit.orgId, connectionId));
      if (refreshed.outcome === 'failed') {
        const { problem: detail } = refreshed;
        const fields = [{ pointer: '/metadataUrl', code: 'saml-metadata', detail }];
        throw new AppError('INVALID_VALUE', `Nothing was changed. ${detail}`, { fields });
      }
      return { status: 200, body: render(context, await getFacet(context, who.audit.orgId, connectionId)) };
    },
  });

/** The SAML facet of a connection, for its administrators. */
export const samlAdminRoutes = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: PATH,
    permission: 'connection:read',
    surface: 'api',
    summary: 'How people of a connection sign in by SAML, and what its identity provider needs to know of us.',
    params,
    responses: { 200: facetSchema, 404: null },
    handler: async ({ params: { connectionId }, context: request }) => {
      const { orgId } = request.auditContext();
      return { status: 200, body: render(context, await getFacet(context, orgId, connectionId)) };
    },
  }),
  route({
    method: 'PUT',
    path: PATH,
    permission: 'connection:manage',
    surface: 'api',
    summary: "Sets SAML sign-in up, from the identity provider's metadata or field by field.",
    params,
    body: facetInputSchema,
    bodyLimitBytes: MIB,
    responses: { 200: facetSchema, 404: null, 429: null },
    handler: async ({ params: { connectionId }, body, context: request }) => {
      const who = authorizedLater(request, 'connection:manage');
      if (body.metadataUrl !== undefined) await countedAttempt(context, metadataReadingRules(who.audit.orgId));
      const facet = await putFacet(context, who, { connectionId, input: body });
      return { status: 200, body: render(context, facet) };
    },
  }),
  route({
    method: 'DELETE',
    path: PATH,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Ends SAML sign-in for a connection.',
    params,
    responses: { 204: null, 404: null },
    handler: async ({ params: { connectionId }, context: request }) => {
      await removeFacet(context, authorizedBy(request), connectionId);
      return { status: 204 };
    },
  }),
  refreshRoute(context),
];
