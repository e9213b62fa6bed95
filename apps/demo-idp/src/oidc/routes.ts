import type { Router } from '@koa/router';
import type { Context, Middleware } from 'koa';
import type { Provider } from 'oidc-provider';
import { maySignIn, personSigningIn } from '../access.ts';
import type { DemoIdpContext } from '../context.ts';
import { immutableId, type Person } from '../directory/people.ts';
import { readFormBody } from '../edge/body.ts';
import { DemoIdpError } from '../errors.ts';
import { signInPage } from '../web/sign-in-pages.ts';
import { ACR_VALUES, OIDC_SIGN_IN_PATH } from './provider.ts';

/** Mounts the sign-in page of the OpenID Provider. @param guard refuses other sites at its form. */
export function mountOidcSignIn(router: Router, context: DemoIdpContext, provider: Provider, guard: Middleware): void {
  const { directory, store } = context;

  router.get(`${OIDC_SIGN_IN_PATH}/:uid`, async (ctx) => {
    const params = await interactionParams(provider, ctx);
    const named = stringParam(params, 'as') ?? stringParam(params, 'login_hint');
    if (named !== null && directory.findPerson(named) !== null) {
      await finish(ctx, params, personSigningIn(directory, named, store.state.behavior));
      return;
    }
    ctx.type = 'html';
    ctx.body = signInPage({
      action: ctx.path,
      hidden: {},
      people: directory.people(),
      maySignIn: (person) => maySignIn(person, store.state.behavior),
    });
  });

  router.post(`${OIDC_SIGN_IN_PATH}/:uid`, guard, async (ctx) => {
    const form = await readFormBody(ctx);
    const params = await interactionParams(provider, ctx);
    await finish(ctx, params, personSigningIn(directory, form.get('as') ?? '', store.state.behavior));
  });

  async function finish(ctx: Context, params: Readonly<Record<string, unknown>>, person: Person): Promise<void> {
    const [requestedAcr] = stringParam(params, 'acr_values')?.split(' ') ?? [];
    const acr = requestedAcr !== undefined && ACR_VALUES.includes(requestedAcr) ? requestedAcr : ACR_VALUES[0];
    const login = {
      accountId: immutableId(person, directory.flavor),
      remember: store.state.behavior.rememberSignIn,
      ts: Math.floor(context.clock.now().getTime() / 1000),
      amr: acr === ACR_VALUES[0] ? ['pwd'] : ['pwd', 'mfa', 'otp'],
      ...(acr === undefined ? {} : { acr }),
    };
    context.log.add({ kind: 'oidc', summary: `${person.displayName} signed in by OpenID Connect` });
    await endOtherSession(provider, ctx, login.accountId);
    const returnTo = await provider.interactionResult(ctx.req, ctx.res, { login }, { mergeWithLastSubmission: false });
    ctx.status = 303;
    ctx.redirect(returnTo);
  }
}

/** Somebody else takes over this browser: their session starts afresh instead of through a logout page. */
async function endOtherSession(provider: Provider, ctx: Context, accountId: string): Promise<void> {
  const interaction = await provider.interactionDetails(ctx.req, ctx.res);
  if (interaction.session === undefined || interaction.session.accountId === accountId) return;
  const session = await provider.Session.findByUid(interaction.session.uid);
  await session?.destroy();
  delete interaction.session;
  await interaction.persist();
}

async function interactionParams(provider: Provider, ctx: Context): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await provider.interactionDetails(ctx.req, ctx.res)).params;
  } catch (cause) {
    throw new DemoIdpError('REQUEST_MALFORMED', 'This sign-in has expired; start again at the application.', { cause });
  }
}

function stringParam(params: Readonly<Record<string, unknown>>, name: string): string | null {
  const value = params[name];
  return typeof value === 'string' && value !== '' ? value : null;
}
