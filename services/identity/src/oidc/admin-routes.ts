import { AppError } from '@sallyport/errors';
import { route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import {
  accountRuleSchema,
  authorizedBy,
  endOutlivedSessions,
  fence,
  findLoginConnection,
  type Authorized,
} from '../login/index.ts';
import { deleteOidcFacet, findOidcFacet, putOidcFacet, type OidcFacet } from './facet-store.ts';
import { backchannelLogoutUriOf, redirectUriOf, SECRET_PURPOSE } from './login.ts';

const PATH = '/api/identity/v1/connections/:connectionId/oidc';
const params = z.object({ connectionId: z.uuid() });
const MAX_AGE_S = 30 * 24 * 60 * 60;
const scope = z.string().regex(/^[\x21\x23-\x5B\x5D-\x7E]{1,128}$/);

const inputSchema = z.object({
  issuer: z.string().min(1).max(1024),
  clientId: z.string().min(1).max(512),
  /** Left out: a secret set before is kept, for the issuer and client it was set for. null: a public client. */
  clientSecret: z.string().min(1).max(1024).nullable().optional(),
  scopes: z.array(scope).max(20).default(['openid', 'profile', 'email']),
  accountRule: accountRuleSchema.prefault({}),
  /** Seconds: a sign-in at the identity provider that is older has to be renewed there. */
  maxAgeSeconds: z.int().min(0).max(MAX_AGE_S).nullable().default(null),
  /** Asked for as `acr_values`; an answer with none of them is refused. */
  acrValues: z
    .array(z.string().regex(/^[\x21-\x7E]{1,256}$/))
    .max(10)
    .default([]),
});

type Input = z.output<typeof inputSchema>;

const facetSchema = z.object({
  connectionId: z.uuid(),
  issuer: z.string(),
  clientId: z.string(),
  hasClientSecret: z.boolean(),
  scopes: z.array(z.string()),
  accountRule: accountRuleSchema,
  maxAgeSeconds: z.int().nullable(),
  acrValues: z.array(z.string()),
  /** What the IdP is set up with. */
  redirectUri: z.string(),
  backchannelLogoutUri: z.string(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
});

const render = ({ config }: IdentityContext, facet: OidcFacet): z.input<typeof facetSchema> => ({
  connectionId: facet.connectionId,
  issuer: facet.issuer,
  clientId: facet.clientId,
  hasClientSecret: facet.clientSecretSealed !== null,
  scopes: [...facet.scopes],
  accountRule: facet.accountRule,
  maxAgeSeconds: facet.maxAgeSeconds,
  acrValues: [...facet.acrValues],
  redirectUri: redirectUriOf(config.publicOrigin, facet.connectionId),
  backchannelLogoutUri: backchannelLogoutUriOf(config.publicOrigin, facet.connectionId),
  createdAt: facet.createdAt.toISOString(),
  updatedAt: facet.updatedAt.toISOString(),
});

const recorded = (facet: OidcFacet) => ({
  issuer: facet.issuer,
  clientId: facet.clientId,
  hasClientSecret: facet.clientSecretSealed !== null,
  scopes: facet.scopes,
  accountRule: JSON.stringify(facet.accountRule),
  maxAgeSeconds: facet.maxAgeSeconds,
  acrValues: facet.acrValues,
});

const checkIssuer = (issuer: string, allowPlain: boolean): void => {
  const url = URL.parse(issuer);
  const isAllowed = url !== null && (url.protocol === 'https:' || (allowPlain && url.protocol === 'http:'));
  if (isAllowed && url.search === '' && url.hash === '') return;
  const detail = 'The issuer must be an absolute https URL without query or fragment.';
  throw new AppError('INVALID_VALUE', detail, { fields: [{ pointer: '/issuer', code: 'issuer', detail }] });
};

/**
 * A secret goes to nobody but whom it was given for: the next login would send it to the token endpoint of the issuer.
 * @throws INVALID_VALUE
 */
const assertSameClient = (before: OidcFacet | null, { issuer, clientId }: Input): void => {
  if (before?.issuer === issuer && before.clientId === clientId) return;
  const detail = 'The secret was set for another issuer or client: give the one of this client, or null.';
  throw new AppError('INVALID_VALUE', detail, { fields: [{ pointer: '/clientSecret', code: 'secret', detail }] });
};

/** What is stored as the secret: the new one, the one there was, or none. @throws INVALID_VALUE */
const sealedSecret = (before: OidcFacet | null, input: Input, seal: (secret: string) => Buffer): Buffer | null => {
  const { clientSecret } = input;
  if (clientSecret !== undefined) return clientSecret === null ? null : seal(clientSecret);
  const kept = before?.clientSecretSealed ?? null;
  if (kept !== null) assertSameClient(before, input);
  return kept;
};

const putFacet = async (
  context: IdentityContext,
  who: Authorized,
  { connectionId, input }: { readonly connectionId: string; readonly input: Input },
): Promise<OidcFacet> => {
  checkIssuer(input.issuer, context.config.allowInsecurePrivateFetch);
  const { orgId } = who.audit;
  const seal = (secret: string): Buffer =>
    context.keyring.seal(orgId, SECRET_PURPOSE, connectionId, Buffer.from(secret, 'utf8'));
  const { value } = await context.audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    if ((await findLoginConnection(tx, connectionId)) === null) {
      throw new AppError('NOT_FOUND', 'There is no such connection.');
    }
    const before = await findOidcFacet(tx, orgId, connectionId);
    const now = context.clock.now();
    const facet: OidcFacet = {
      orgId,
      connectionId,
      issuer: input.issuer,
      clientId: input.clientId,
      clientSecretSealed: sealedSecret(before, input, seal),
      scopes: [...new Set(['openid', ...input.scopes])],
      accountRule: input.accountRule,
      maxAgeSeconds: input.maxAgeSeconds,
      acrValues: [...new Set(input.acrValues)],
      createdAt: before?.createdAt ?? now,
      updatedAt: now,
    };
    await putOidcFacet(tx, facet);
    tx.record({
      action: before === null ? 'oidc-facet.created' : 'oidc-facet.updated',
      target: { type: 'connection', id: connectionId },
      ...(before === null ? {} : { before: recorded(before) }),
      after: { ...recorded(facet), clientSecretChanged: input.clientSecret !== undefined },
    });
    return { facet, isOtherIdp: before !== null && before.issuer !== facet.issuer };
  });
  if (value.isOtherIdp) await endOutlivedSessions(context, who.audit, connectionId);
  return value.facet;
};

const removeFacet = async (context: IdentityContext, who: Authorized, connectionId: string): Promise<void> => {
  await context.audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    const before = await findOidcFacet(tx, tx.orgId, connectionId);
    if (before === null || !(await deleteOidcFacet(tx, tx.orgId, connectionId))) {
      throw new AppError('NOT_FOUND', 'The connection has no OpenID Connect sign-in.');
    }
    tx.record({
      action: 'oidc-facet.deleted',
      target: { type: 'connection', id: connectionId },
      before: recorded(before),
    });
  });
};

/** The OpenID Connect facet of a connection, for its administrators. The secret goes in and never comes out. */
export const oidcAdminRoutes = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: PATH,
    permission: 'connection:read',
    surface: 'api',
    summary:
      'How people of a connection sign in by OpenID Connect, and what its identity provider needs to know of us.',
    params,
    responses: { 200: facetSchema, 404: null },
    handler: async ({ params: { connectionId }, context: request }) => {
      const { orgId } = request.auditContext();
      const facet = await context.db.read(orgId, async (tx) => await findOidcFacet(tx, orgId, connectionId));
      if (facet === null) throw new AppError('NOT_FOUND', 'The connection has no OpenID Connect sign-in.');
      return { status: 200, body: render(context, facet) };
    },
  }),
  route({
    method: 'PUT',
    path: PATH,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Sets OpenID Connect sign-in up.',
    params,
    body: inputSchema,
    responses: { 200: facetSchema, 404: null },
    handler: async ({ params: { connectionId }, body, context: request }) => {
      const facet = await putFacet(context, authorizedBy(request), { connectionId, input: body });
      return { status: 200, body: render(context, facet) };
    },
  }),
  route({
    method: 'DELETE',
    path: PATH,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Ends OpenID Connect sign-in for a connection.',
    params,
    responses: { 204: null, 404: null },
    handler: async ({ params: { connectionId }, context: request }) => {
      await removeFacet(context, authorizedBy(request), connectionId);
      return { status: 204 };
    },
  }),
];
