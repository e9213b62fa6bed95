import type { Router } from '@koa/router';
import type { Context } from 'koa';
import type { DemoIdpContext } from '../context.ts';
import { queryParameter } from '../edge/query.ts';
import { DemoIdpError } from '../errors.ts';
import { problemPage } from '../web/sign-in-pages.ts';
import { decodeRedirectRequest } from './authn-request.ts';
import { nameIdOf } from './issue-response.ts';
import { logoutRequestUrl, logoutResponseUrl, type LogoutWriting, parseLogout } from './logout.ts';
import { fetchServiceProvider, type ServiceProviderDescription, verifyRedirectSignature } from './service-provider.ts';
import { requireSamlTarget, samlAddresses, type SamlSignInDesk } from './sign-in.ts';

/** Single logout by redirect: asked for by the service provider, and started here (`/saml/logout?as=dana`). */
export function mountSamlLogout(router: Router, context: DemoIdpContext, desk: SamlSignInDesk): void {
  router.get('/saml/slo', async (ctx) => {
    const provider = await describedProvider(context);
    const parameter = queryParameter(ctx, 'SAMLRequest') ?? queryParameter(ctx, 'SAMLResponse') ?? '';
    if (!verifyRedirectSignature(ctx.querystring, provider.requestKeys)) {
      throw new DemoIdpError('SAML_REQUEST_REFUSED', 'The logout message is not signed.');
    }
    const { spEntityId } = requireSamlTarget(context);
    const { sloUrl } = samlAddresses(context.origin);
    const received = parseLogout(decodeRedirectRequest(parameter), { spEntityId, sloUrl });
    desk.forget(ctx);
    if (received.kind === 'LogoutResponse') {
      ctx.type = 'html';
      ctx.body = problemPage('Signed out everywhere', 'The service provider has ended its sessions.');
      return;
    }
    context.log.add({ kind: 'saml', summary: 'Signed out by SAML' });
    ctx.redirect(logoutResponseUrl(writingOf(context, provider, queryParameter(ctx, 'RelayState')), received.id));
  });

  router.get('/saml/logout', async (ctx: Context) => {
    const { directory, store } = context;
    const person = directory.getPerson(queryParameter(ctx, 'as') ?? '');
    desk.forget(ctx);
    const writing = writingOf(context, await describedProvider(context), null);
    ctx.redirect(logoutRequestUrl(writing, nameIdOf(person, directory.flavor, store.state.behavior)));
  });
}

async function describedProvider(context: DemoIdpContext): Promise<ServiceProviderDescription> {
  const { spMetadataUrl } = requireSamlTarget(context);
  if (spMetadataUrl === null)
    throw new DemoIdpError('TARGET_MISSING', 'Logout needs the metadata address of the service provider.');
  return await fetchServiceProvider(spMetadataUrl);
}

function writingOf(
  context: DemoIdpContext,
  { sloUrl }: ServiceProviderDescription,
  relayState: string | null,
): LogoutWriting {
  if (sloUrl === null) throw new DemoIdpError('TARGET_MISSING', 'The service provider takes no logouts.');
  const { entityId: issuer } = samlAddresses(context.origin);
  const key = context.samlKeys.get(context.store.state.behavior.samlKey);
  return { issuer, destination: sloUrl, now: context.clock.now(), key, relayState };
}
