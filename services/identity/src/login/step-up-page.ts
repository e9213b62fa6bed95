import { escapeHtml } from '@sallyport/http';

import { page } from '../pages/index.ts';
import type { SessionStanding } from '../sessions/index.ts';
import { startPathOf } from './pages.ts';

const hidden = (name: string, value: string): string =>
  `<input type="hidden" name="${name}" value="${escapeHtml(value)}">`;

const otherWay = (returnTo: string): string =>
  `<p><a href="/login?${escapeHtml(new URLSearchParams({ returnTo }).toString())}">Sign in another way</a></p>`;

/** Where somebody who is signed in proves to be there: at the identity provider of the session, or with the password. */
export const stepUpPage = (
  { session, displayName, connectionName, orgSlug }: SessionStanding,
  userName: string,
  returnTo: string,
): string => {
  const { connectionId: id, method } = session;
  const why = `<p>What you want to do needs a sign-in of the last minutes. You stay <strong>${escapeHtml(displayName)}</strong>.</p>`;
  if (id !== null && (method === 'saml' || method === 'oidc')) {
    const href = `${startPathOf({ id, protocol: method }, returnTo)}&stepUp=1`;
    return page({
      title: 'Sign in once more',
      main: `${why}<p><a class="button" href="${escapeHtml(href)}">Continue at ${escapeHtml(connectionName ?? 'your identity provider')}</a></p>
${otherWay(returnTo)}`,
    });
  }
  return page({
    title: 'Sign in once more',
    main: `${why}<form method="post" action="/login/password">
${hidden('returnTo', returnTo)}${hidden('email', userName)}${hidden('organization', orgSlug)}
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="1024">
<button type="submit">Sign in</button>
</form>
${otherWay(returnTo)}`,
  });
};
