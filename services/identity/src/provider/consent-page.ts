import { escapeHtml } from '@sallyport/http';

import { page } from '../pages/index.ts';
import type { OAuthClient } from './client-store.ts';
import { INTERACTION_PATH } from './mount.ts';

const MEANINGS: Readonly<Record<string, string>> = {
  openid: 'that it is you, by a number',
  profile: 'your name and user name',
  email: 'your e-mail address',
  offline_access: 'the same while you are away, until you sign out of Sallyport',
};

/** Asks whether an application that is not the organisation's own may learn what it asks for. */
export const consentPage = (client: OAuthClient, uid: string, scopes: readonly string[]): string => {
  const items = scopes.flatMap((scope) => (MEANINGS[scope] === undefined ? [] : [`<li>${MEANINGS[scope]}</li>`]));
  const hosts = [...new Set(client.redirectUris.map((uri) => new URL(uri).host))];
  return page({
    title: 'An application asks for access',
    main: `<p><strong>${escapeHtml(client.name)}</strong> (${escapeHtml(hosts.join(', '))}) is not run by your
      organisation. It asks to know:</p>
      <ul>${items.join('')}</ul>
      <form method="post" action="${INTERACTION_PATH}/${escapeHtml(uid)}/consent">
      <p><button type="submit" name="answer" value="allow">Allow</button>
      <button type="submit" class="secondary" name="answer" value="refuse">Refuse</button></p></form>`,
  });
};

/** Goes on without a redirect, which the form's policy would extend to the application's address. */
export const goOnPage = (location: string): string =>
  page({ title: 'Going on', main: `<p><a href="${escapeHtml(location)}">Continue</a></p>`, refreshTo: location });
