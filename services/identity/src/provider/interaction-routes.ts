import { PUBLIC, STEP_UP_PATH, route, type RequestContext, type Route, type RouteResponse } from '@sallyport/http';
import { isAppError } from '@sallyport/errors';
import { decodeJwt } from 'jose';
import type Koa from 'koa';
import { errors, type InteractionResults } from 'oidc-provider';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { page } from '../pages/index.ts';
import { sessionOfRequest, type SessionStanding } from '../sessions/index.ts';
import { findClientById, type OAuthClient } from './client-store.ts';
import { consentPage, goOnPage } from './consent-page.ts';
import { needsFreshLogin, type FreshnessAsked } from './fresh-login.ts';
import { INTERACTION_PATH } from './mount.ts';
import type { OpenIdProvider } from './provider.ts';
import { UNKNOWN_TIME, withProviderRequest } from './request-session.ts';

const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);

type Interaction = Awaited<ReturnType<OpenIdProvider['provider']['interactionDetails']>>;

/** What the request says about how fresh the sign-in has to be. */
const freshnessOf = ({ prompt: { reasons }, iat, params: asked }: Interaction): FreshnessAsked => {
  const { max_age: maxAge } = asked;
  return { reasons, askedAt: iat, maxAge: typeof maxAge === 'number' ? maxAge : undefined };
};

const params = z.object({ uid: z.string().regex(/^[\w-]{10,64}$/) });

/** The authorization request behind an address, in the browser it was begun in; null when it has ended. */
const findInteraction = async (
  context: IdentityContext,
  ctx: Koa.Context,
  uid: string,
): Promise<Interaction | null> => {
  const interaction = await interactionOf(context.openIdProvider, ctx);
  return interaction?.uid === uid ? interaction : null;
};

/** Hands a result to the provider; answers where the browser goes on, null when another tab was faster. */
const goOn = async (
  context: IdentityContext,
  { session }: SessionStanding,
  { request, ctx, result }: { request: RequestContext; ctx: Koa.Context; result: () => Promise<InteractionResults> },
): Promise<string | null> => {
  const { orgId, id, accountId, epochAtIssue, expiresAt } = session;
  const origin = { requestId: request.requestId, ip: request.ip };
  const { provider } = context.openIdProvider;
  const bound = { session: { orgId, id, accountId, epoch: epochAtIssue, expiresAt }, origin };
  return await withProviderRequest(bound, async () => {
    const found = await result();
    try {
      return await provider.interactionResult(ctx.req, ctx.res, found, { mergeWithLastSubmission: true });
    } catch (error) {
      if (error instanceof errors.SessionNotFound) return null;
      throw error;
    }
  });
};

const signInFirst = (path: '/login' | typeof STEP_UP_PATH, uid: string): RouteResponse => {
  const query = new URLSearchParams({ returnTo: `${INTERACTION_PATH}/${uid}` });
  return { status: 303, headers: { location: `${path}?${query.toString()}` } };
};

/**
 * Makes a request wait for whoever signs in next in this browser, as one that began when nobody was signed in: the
 * session it began in is about to be replaced, and what is bound to that ends with it. The browser is bound by cookies.
 */
const detach = async (interaction: Interaction, now: Date): Promise<void> => {
  delete interaction.session;
  delete interaction.grantId;
  delete (interaction as { accountId?: string }).accountId;
  await interaction.destroy();
  await interaction.save(interaction.exp - seconds(now));
};

const goOnRoute = (context: IdentityContext): Route =>
  route({
    method: 'GET',
    path: `${INTERACTION_PATH}/:uid`,
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Goes on with an authorization request once somebody is signed in.',
    params,
    responses: { 200: z.string(), 303: null, 400: z.string() },
    handler: async ({ params: { uid }, ctx, context: request }) => {
      const interaction = await findInteraction(context, ctx, uid);
      if (interaction === null) return expired();
      const standing = await sessionOfRequest(context, ctx);
      if (standing === null) return signInFirst('/login', uid);
      const client = await clientOf(context, interaction);
      const isForeign = client?.orgId !== standing.session.orgId;
      // Who is signed in proves to be there (the identity provider is told to ask); a stranger may be somebody else here.
      if (needsFreshLogin(freshnessOf(interaction), standing.session, context.clock.now())) {
        await detach(interaction, context.clock.now());
        return signInFirst(isForeign ? '/login' : STEP_UP_PATH, uid);
      }
      if (!isForeign && client.thirdParty && interaction.prompt.name === 'consent') {
        return { status: 200, body: consentPage(client, uid, scopesOf(interaction)) };
      }
      const result = refusalOf(interaction, standing, isForeign) ?? loginResult(standing);
      const location = await goOn(context, standing, { request, ctx, result: () => Promise.resolve(result) });
      if (location === null) return expired();
      return { status: 303, headers: { location } };
    },
  });

/** Why the person who is signed in is not who the application may have; null when nothing speaks against it. */
const refusalOf = (
  interaction: Interaction,
  { session }: SessionStanding,
  isForeign: boolean,
): InteractionResults | null => {
  if (isForeign) return { error: 'access_denied', error_description: 'the person belongs to another organisation' };
  const { id_token_hint: hint } = interaction.params;
  // The provider has verified the hint when the request began, and does not look at it again (OIDC Core §3.1.2.1).
  if (typeof hint !== 'string' || decodeJwt(hint).sub === session.accountId) return null;
  return { error: 'login_required', error_description: 'somebody else than the id_token_hint says is signed in' };
};

/** What is asked for, as it is said to people: the scopes of the request. */
const scopesOf = ({ params: asked }: Interaction): string[] => {
  const { scope } = asked;
  return typeof scope === 'string' ? scope.split(' ') : [];
};

const consentRoute = (context: IdentityContext): Route =>
  route({
    method: 'POST',
    path: `${INTERACTION_PATH}/:uid/consent`,
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Takes the answer of somebody whom another company\u2019s application asked for something.',
    params,
    body: z.object({ answer: z.enum(['allow', 'refuse']) }),
    responses: { 200: z.string(), 303: null, 400: z.string() },
    handler: async ({ params: { uid }, body, ctx, context: request }) => {
      const interaction = await findInteraction(context, ctx, uid);
      const standing = await sessionOfRequest(context, ctx);
      if (interaction === null || standing === null || interaction.prompt.name !== 'consent') return expired();
      const isTheirs = interaction.session?.accountId === standing.session.accountId;
      const client = await clientOf(context, interaction);
      if (!isTheirs || client?.orgId !== standing.session.orgId) return expired();
      const result = async (): Promise<InteractionResults> =>
        body.answer === 'refuse'
          ? { error: 'access_denied', error_description: 'the person refused' }
          : { consent: { grantId: await widenGrant(context, interaction, client.id) } };
      const location = await goOn(context, standing, { request, ctx, result });
      if (location === null) return expired();
      // A redirect would be held against the policy of the form, at the application's address too.
      return { status: 200, body: goOnPage(location) };
    },
  });

/** The grant with what was asked for, made if there was none; answers its id. */
const widenGrant = async (
  { openIdProvider: { provider } }: IdentityContext,
  interaction: Interaction,
  clientId: string,
): Promise<string> => {
  const { accountId } = interaction.session ?? {};
  const existing = interaction.grantId === undefined ? undefined : await provider.Grant.find(interaction.grantId);
  const isTheirs = existing?.accountId === accountId && existing?.clientId === clientId;
  const owner = accountId === undefined ? {} : { accountId };
  const grant = isTheirs ? existing : new provider.Grant({ clientId, ...owner });
  grant.addOIDCScope(scopesOf(interaction).join(' '));
  return await grant.save();
};

/**
 * An authorization request that waits for somebody to sign in: goes on with the browser session if there is one, to
 * the sign-in page otherwise. Whoever is asked by an application that is not the organisation's own answers first.
 * Nothing is asked twice, and nothing is decided from the address.
 */
export const interactionRoutes = (context: IdentityContext): Route[] => [goOnRoute(context), consentRoute(context)];

/** When the person was there; see UNKNOWN_TIME. */
const timeOf = ({ provenAt }: SessionStanding['session']): number =>
  provenAt === null ? UNKNOWN_TIME : seconds(provenAt);

const loginResult = ({ session }: SessionStanding): InteractionResults => ({
  login: {
    accountId: session.accountId,
    ts: timeOf(session),
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

const clientOf = async ({ db }: IdentityContext, interaction: Interaction): Promise<OAuthClient | null> => {
  const { client_id: clientId } = interaction.params;
  return await db.readAcrossOrganizations('a client id names no organisation', async (tx) => {
    return await findClientById(tx, typeof clientId === 'string' ? clientId : '');
  });
};

const expired = (): { status: number; body: string } => ({
  status: 400,
  body: page({
    title: 'This sign-in has expired',
    main: '<p>Go back to the application and start again, or <a href="/login">sign in here</a>.</p>',
  }),
});
