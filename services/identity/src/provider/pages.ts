import { escapeHtml } from '@sallyport/http';
import type { ErrorOut, KoaContextWithOIDC } from 'oidc-provider';

import { page } from '../pages/index.ts';

/** An authorization or logout request that cannot go on, and must not be sent to an unregistered address. */
export const renderProviderError = (ctx: KoaContextWithOIDC, out: ErrorOut): void => {
  const description = typeof out.error_description === 'string' ? out.error_description : '';
  ctx.type = 'html';
  ctx.body = page({
    title: 'Sign-in cannot continue',
    main: `<p>The application sent a request that cannot be served: <code>${escapeHtml(out.error)}</code>.</p>
      <p>${escapeHtml(description)}</p>`,
  });
};

/** Asks before signing out: a link on another site must not be enough (OIDC RP-Initiated Logout 1.0 §2). */
export const renderLogoutQuestion = (ctx: KoaContextWithOIDC, form: string): void => {
  ctx.body = page({
    title: 'Sign out?',
    main: `${form}<p>An application asks to sign you out of Sallyport.</p>
      <p><button type="submit" form="op.logoutForm" name="logout" value="yes">Sign out</button>
      <button type="submit" class="secondary" form="op.logoutForm">Stay signed in</button></p>`,
  });
};

/** Where a logout without a registered return address ends. */
export const renderLoggedOut = (ctx: KoaContextWithOIDC): void => {
  ctx.body = page({ title: 'Signed out', main: '<p>You are signed out.</p><p><a href="/login">Sign in again</a></p>' });
};
