import { AppError } from '@sallyport/errors';
import { route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { accountRuleSchema, authorizedBy } from '../login/index.ts';
import { describeCertificate, facetInputSchema, putFacet, removeFacet } from './change-facet.ts';
import { findSamlFacet, type SamlFacet } from './facet-store.ts';
import { acsUrlOf, entityIdOf, type SamlServiceProvider } from './service-provider.ts';

const PATH = '/api/identity/v1/connections/:connectionId/saml';
const MIB = 1024 * 1024;
const params = z.object({ connectionId: z.uuid() });

const facetSchema = z.object({
  connectionId: z.uuid(),
  entityId: z.string(),
  ssoUrl: z.string(),
  certificates: z.array(
    z.object({ subject: z.string(), fingerprintSha256: z.string(), notBefore: z.string(), notAfter: z.string() }),
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
    metadataUrl: z.string(),
    loginUrl: z.string(),
  }),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
});

const render = (sp: SamlServiceProvider, facet: SamlFacet): z.input<typeof facetSchema> => ({
  connectionId: facet.connectionId,
  entityId: facet.idpEntityId,
  ssoUrl: facet.ssoUrl,
  certificates: facet.certificates.map(describeCertificate),
  signRequests: facet.signRequests,
  requireSignedResponse: facet.requireSignedResponse,
  requireSignedAssertion: facet.requireSignedAssertion,
  allowIdpInitiated: facet.allowIdpInitiated,
  accountRule: facet.accountRule,
  serviceProvider: {
    entityId: entityIdOf(sp, facet.connectionId),
    acsUrl: acsUrlOf(sp, facet.connectionId),
    metadataUrl: entityIdOf(sp, facet.connectionId),
    loginUrl: `${sp.publicOrigin}/saml/${facet.connectionId}/login`,
  },
  createdAt: facet.createdAt.toISOString(),
  updatedAt: facet.updatedAt.toISOString(),
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
      const facet = await context.db.read(orgId, async (tx) => await findSamlFacet(tx, orgId, connectionId));
      if (facet === null) throw new AppError('NOT_FOUND', 'The connection has no SAML sign-in.');
      return { status: 200, body: render(context.samlServiceProvider, facet) };
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
    responses: { 200: facetSchema, 404: null },
    handler: async ({ params: { connectionId }, body, context: request }) => {
      const facet = await putFacet(context, authorizedBy(request), { connectionId, input: body });
      return { status: 200, body: render(context.samlServiceProvider, facet) };
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
];
