import type { Router } from '@koa/router';
import type { Context, Middleware } from 'koa';
import type { DemoIdpContext } from '../context.ts';
import { readFormBody } from '../edge/body.ts';
import { queryParameter } from '../edge/query.ts';
import {
  type AuthnRequest,
  checkAuthnRequest,
  decodePostRequest,
  decodeRedirectRequest,
  parseAuthnRequest,
} from './authn-request.ts';
import { identityProviderMetadata } from './metadata.ts';
import { fetchServiceProvider, verifyRedirectSignature } from './service-provider.ts';
import { mountSamlLogout } from './logout-routes.ts';
import { requireSamlTarget, samlAddresses, SamlSignInDesk } from './sign-in.ts';

/**
 * Mounts the SAML identity provider: metadata, single sign-on by redirect and by POST, and sign-in started here.
 * @param guard refuses other sites at the form of our own sign-in page.
 */
export function mountSaml(router: Router, context: DemoIdpContext, guard: Middleware): void {
  const desk = new SamlSignInDesk(context);
  const addresses = samlAddresses(context.origin);

  router.get('/saml/metadata', (ctx) => {
    const keys = context.store.state.behavior.samlPublishedKeys.map((name) => context.samlKeys.get(name));
    ctx.type = 'application/samlmetadata+xml';
    ctx.body = identityProviderMetadata(addresses, keys);
  });

  router.get('/saml/sso', async (ctx) => {
    const request = await receiveRedirect(context, ctx);
    await desk.answer(ctx, { request, relayState: queryParameter(ctx, 'RelayState') });
  });

  router.post('/saml/sso', async (ctx) => {
    const form = await readFormBody(ctx);
    const request = parseAuthnRequest(decodePostRequest(form.get('SAMLRequest') ?? ''));
    checkAuthnRequest(request, requireSamlTarget(context), addresses.ssoUrl, context.clock.now());
    await desk.answer(ctx, { request, relayState: form.get('RelayState') });
  });

  router.get('/saml/initiate', async (ctx) => {
    requireSamlTarget(context);
    await desk.answer(ctx, { request: null, relayState: queryParameter(ctx, 'RelayState') });
  });

  mountSamlLogout(router, context, desk);

  router.post('/saml/continue', guard, async (ctx) => {
    const form = await readFormBody(ctx);
    await desk.finish(ctx, form.get('signIn') ?? '', form.get('as') ?? '');
  });
}

/** Decodes and checks a redirect-binding request, and its signature where the keys of the provider can be read. */
async function receiveRedirect(context: DemoIdpContext, ctx: Context): Promise<AuthnRequest> {
  const target = requireSamlTarget(context);
  const request = parseAuthnRequest(decodeRedirectRequest(queryParameter(ctx, 'SAMLRequest') ?? ''));
  checkAuthnRequest(request, target, samlAddresses(context.origin).ssoUrl, context.clock.now());
  if (queryParameter(ctx, 'Signature') !== null && target.spMetadataUrl !== null) {
    const { requestKeys } = await fetchServiceProvider(target.spMetadataUrl);
    verifyRedirectSignature(ctx.querystring, requestKeys);
  }
  return request;
}
