import { escapeHtml } from '@sallyport/http';

import { hidden, page, PASSKEY_SCRIPT_PATH } from '../pages/index.ts';
import type { SessionStanding } from '../sessions/index.ts';
import type { HomeRealm } from './identity-store.ts';

/** What the sign-in page says above its forms, and what it remembers of the last attempt. */
export interface SignInNotice {
  /** Why the last attempt failed; announced to assistive technology. */
  readonly alert?: string;
  readonly status?: string;
  /** Which form was sent, with which address: nobody types it twice. */
  readonly tried?: { readonly form: 'work' | 'local'; readonly email: string };
}

/** Where a sign-in through a connection starts. */
export const startPathOf = ({ id, protocol }: Pick<HomeRealm, 'id' | 'protocol'>, returnTo: string): string => {
  const query = new URLSearchParams({ returnTo }).toString();
  return protocol === 'saml' ? `/saml/${id}/login?${query}` : `/login/oidc/${id}/start?${query}`;
};

const workForm = (returnTo: string, email: string): string => `<form method="post" action="/login/start">
${hidden('returnTo', returnTo)}
<label for="email">Work e-mail</label>
<input id="email" name="email" type="email" autocomplete="username" required maxlength="254" value="${escapeHtml(email)}">
<button type="submit">Continue</button>
</form>`;

const localForm = (returnTo: string, email: string): string => `<form method="post" action="/login/password">
${hidden('returnTo', returnTo)}
<label for="local-email">E-mail</label>
<input id="local-email" name="email" type="email" autocomplete="username" required maxlength="254" value="${escapeHtml(email)}">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="1024">
<label for="organization">Organisation</label>
<p id="organization-hint" class="hint">Only if you have the same account in several.</p>
<input id="organization" name="organization" maxlength="63" aria-describedby="organization-hint">
<button type="submit">Sign in</button>
</form>
<p><a href="/login/forgot">Forgotten your password?</a></p>`;

/** Of local accounts; in sight only where the browser can do it. */
const passkeyButton = (returnTo: string): string => `<p id="passkey-problem" role="alert" hidden></p>
<div data-passkey-part hidden>
<button type="button" class="secondary" data-passkey="get" data-options="/api/identity/v1/login/passkey/options" data-finish="/api/identity/v1/login/passkey" data-return-to="${escapeHtml(returnTo)}">Sign in with a passkey</button>
</div>`;

/**
 * The sign-in page: a passkey; the work address, which leads to the company's identity provider; folded away, the
 * password of a local account.
 */
export const signInPage = (returnTo: string, { alert, status, tried }: SignInNotice = {}): string =>
  page({
    title: 'Sign in',
    main: `${alert === undefined ? '' : `<p role="alert">${escapeHtml(alert)}</p>`}
${status === undefined ? '' : `<p role="status">${escapeHtml(status)}</p>`}
${passkeyButton(returnTo)}
${workForm(returnTo, tried?.form === 'work' ? tried.email : '')}
<details${tried?.form === 'local' ? ' open' : ''}>
<summary>Sign in with a local account</summary>
${localForm(returnTo, tried?.form === 'local' ? tried.email : '')}
</details>`,
    script: PASSKEY_SCRIPT_PATH,
  });

const PROTOCOL_NAMES: Readonly<Record<HomeRealm['protocol'], string>> = { saml: 'SAML', oidc: 'OpenID Connect' };

const choiceOf = (realm: HomeRealm, isAmbiguous: boolean, returnTo: string): string => {
  // The protocol is nothing people know; it is named only where nothing else tells two choices apart.
  const by = isAmbiguous ? `, by ${PROTOCOL_NAMES[realm.protocol]}` : '';
  const href = escapeHtml(startPathOf(realm, returnTo));
  return `<li><a href="${href}">${escapeHtml(realm.name)} <span>${escapeHtml(realm.orgName)}${by}</span></a></li>`;
};

/** Where somebody of a mail domain can go on. One place is gone to at once. */
export const choicePage = (realms: readonly HomeRealm[], returnTo: string): string => {
  const [only, ...others] = realms;
  const choices = realms.map((realm) => {
    const isAmbiguous = realms.filter(({ id }) => id === realm.id).length > 1;
    return choiceOf(realm, isAmbiguous, returnTo);
  });
  return page({
    title: 'Continue at your identity provider',
    main: `<ul class="choices">${choices.join('')}</ul>
<p><a href="/login?${escapeHtml(new URLSearchParams({ returnTo }).toString())}">Use another address</a></p>`,
    ...(only !== undefined && others.length === 0 ? { refreshTo: startPathOf(only, returnTo) } : {}),
  });
};

/**
 * The one page of every refused sign-in: it does not tell which check failed, or whether an account exists.
 * The request id leads an administrator to the reason in the audit log.
 */
export const refusedPage = (requestId: string): string =>
  page({
    title: 'You could not be signed in',
    main: `<p role="alert">Your identity provider's answer was not accepted.</p>
<p>If it happens again, give your administrator this number: <code>${escapeHtml(requestId)}</code></p>
<p><a class="button" href="/login">Start again</a></p>`,
  });

/** Goes on to a page of ours without a redirect, which the form's policy would extend to what comes after it. */
export const goOnPage = (returnTo: string): string =>
  page({
    title: 'You are signed in',
    main: `<p><a href="${escapeHtml(returnTo)}">Continue</a></p>`,
    refreshTo: returnTo,
  });

/** Who is signed in, how and since when; or that nobody is. */
export const accountPage = (standing: SessionStanding | null): string => {
  if (standing === null) {
    return page({
      title: 'You are signed out',
      main: '<p role="status">No session is open in this browser, or it has been ended.</p><p><a class="button" href="/login">Sign in</a></p>',
    });
  }
  const { session, displayName, connectionName, orgSlug } = standing;
  const time = (at: Date): string => `<time datetime="${at.toISOString()}">${at.toUTCString()}</time>`;
  return page({
    title: 'Your account',
    main: `<p role="status">Signed in as <strong>${escapeHtml(displayName)}</strong> via ${escapeHtml(connectionName ?? 'a local account')} since ${time(session.createdAt)}.</p>
<dl><dt>Organisation</dt><dd>${escapeHtml(orgSlug)}</dd>
<dt>Session ends</dt><dd>at the latest ${time(session.expiresAt)}, or after an hour without use</dd></dl>
<p><a href="/account/security">How you sign in</a></p>
<form method="post" action="/logout"><button type="submit">Sign out</button></form>`,
  });
};
