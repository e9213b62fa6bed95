import { contentSecurityPolicy, escapeHtml, type RouteResponse } from '@sallyport/http';

import { page } from '../../pages/index.ts';
import type { Outgoing } from './logout-messages.ts';

const TITLE = 'Signing out';

/**
 * The page that carries a logout message to the IdP. A page and not a redirect: the policy of the form that asked for
 * it would stop a redirect to another site.
 */
export const logoutPage = (outgoing: Outgoing): Pick<RouteResponse, 'body' | 'headers'> => {
  if (outgoing.binding === 'redirect') {
    const main = `<p role="status">You are signed out here. Signing you out at your identity provider as well.</p>
<p><a class="button" href="${escapeHtml(outgoing.location)}">Continue</a></p>`;
    return { body: page({ title: TITLE, main, refreshTo: outgoing.location }), headers: {} };
  }
  const fields = Object.entries(outgoing.fields).map(
    ([name, value]) => `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(value)}">`,
  );
  const main = `<p role="status">You are signed out here.</p>
<form method="post" action="${escapeHtml(outgoing.action)}">${fields.join('')}
<button type="submit">Sign out at your identity provider as well</button></form>`;
  const formAction = [new URL(outgoing.action).origin];
  return {
    body: page({ title: TITLE, main }),
    headers: { 'content-security-policy': contentSecurityPolicy({ formAction }) },
  };
};

/** The end of a logout, as the person sees it. */
export const signedOutPage = (isComplete: boolean): string =>
  page({
    title: 'You are signed out',
    main: `<p role="status">${
      isComplete
        ? 'You are signed out here and at your identity provider.'
        : 'You are signed out here. Your identity provider could not end everything: close the browser to be sure.'
    }</p>
<p><a class="button" href="/login">Sign in</a></p>`,
  });

/** The one page of every refused logout message: it does not tell which check failed. */
export const refusedLogoutPage = (requestId: string): string =>
  page({
    title: 'The sign-out was not accepted',
    main: `<p role="alert">Your identity provider's message was not accepted.</p>
<p>If it happens again, give your administrator this number: <code>${escapeHtml(requestId)}</code></p>
<p><a class="button" href="/account">To your account</a></p>`,
  });
