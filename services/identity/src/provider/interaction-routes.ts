import { PUBLIC, route, type Route } from '@sallyport/http';
import { isAppError } from '@sallyport/errors';
import type Koa from 'koa';
import { errors, type InteractionResults } from 'oidc-provider';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { page } from '../pages/index.ts';
import { sessionOfRequest, type SessionStanding } from '../sessions/index.ts';
import { INTERACTION_PATH } from './configuration.ts';
import { findClientById } from './client-store.ts';
import type { OpenIdProvider } from './provider.ts';
import { withProviderRequest } from './request-session.ts';

const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);

type Interaction = Awaited<ReturnType<OpenIdProvider['provider']['interactionDetails']>>;

/** The request asks for a fresh sign-in, and the one at hand is older than the request. */
const needsFreshLogin = (interaction: Interaction, { session }: SessionStanding): boolean => {
  const { reasons } = interaction.prompt;
  const isAsked = reasons.includes('login_prompt') || reasons.includes('max_age');
  return isAsked && seconds(session.createdAt) < interaction.iat;
};

/**
 * An authorization request that waits for somebody to sign in: goes on with the browser session if there is one, to
 * the sign-in page otherwise. Nothing is asked twice, and nothing is decided from the address.
 */
export const interactionRoutes = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: `${INTERACTION_PATH}/:uid`,
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Goes on with an authorization request once somebody is signed in.',
    params: z.object({ uid: z.string().regex(/^[\w-]{10,64}$/) }),
    responses: { 303: null, 400: z.string() },
    handler: async ({ params, ctx, context: request }) => {
      const interaction = await interactionOf(context.openIdProvider, ctx);
      if (interaction === null || interaction.uid !== params.uid) return expired();
      const standing = await sessionOfRequest(context, ctx);
      if (standing === null || needsFreshLogin(interaction, standing)) {
        const query = new URLSearchParams({ returnTo: `${INTERACTION_PATH}/${params.uid}` });
        return { status: 303, headers: { location: `/login?${query.toString()}` } };
      }
      const result = (await isForeign(context, interaction, standing))
        ? { error: 'access_denied', error_description: 'the person belongs to another organisation' }
        : loginResult(standing);
      const { orgId, id, accountId, epochAtIssue, expiresAt } = standing.session;
      const origin = { requestId: request.requestId, ip: request.ip };
      const session = { orgId, id, accountId, epoch: epochAtIssue, expiresAt };
      const { provider } = context.openIdProvider;
      const returnTo = await withProviderRequest({ session, origin }, async () => {
        return await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
      });
      return { status: 303, headers: { location: returnTo } };
    },
  }),
];

const loginResult = ({ session }: SessionStanding): InteractionResults => ({
  login: {
    accountId: session.accountId,
    ts: seconds(session.authenticatedAt),
    amr: [...session.amr],
    ...(session.acr === null ? {} : { acr: session.acr }),
    remember: false, // The provider's cookie lives no longer than the browser run, as ours.
  },
  consent: {},
});

const interactionOf = async ({ provider }: OpenIdProvider, ctx: Koa.Context): Promise<Interaction | null> => {
  try {
    return await provider.interactionDetails(ctx.req, ctx.res);
  } catch (error) {
    if (error instanceof errors.SessionNotFound || isAppError(error)) return null;
    throw error;
  }
};

const isForeign = async (
  { db }: IdentityContext,
  interaction: Interaction,
  { session }: SessionStanding,
): Promise<boolean> => {
  const clientId = interaction.params['client_id'];
  const client = await db.readAcrossOrganizations('a client id names no organisation', async (tx) => {
    return await findClientById(tx, typeof clientId === 'string' ? clientId : '');
  });
  return client?.orgId !== session.orgId;
};

const expired = (): { status: number; body: string } => ({
  status: 400,
  body: page({
    title: 'This sign-in has expired',
    main: '<p>Go back to the application and start again, or <a href="/login">sign in here</a>.</p>',
  }),
});
