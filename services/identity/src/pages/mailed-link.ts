import { escapeHtml } from '@sallyport/http';

import { input, newPasswordField } from './parts.ts';
import { LINK_SCRIPT_PATH, page } from './page.ts';

export interface MailedLinkPage {
  readonly title: string;
  readonly intro: string;
  readonly action: string;
  /** The button. */
  readonly submit: string;
  /** The secret of the mail, once it was sent with the form. */
  readonly token?: string;
  readonly alert?: string | undefined;
  /** What is wrong with the password. */
  readonly problem?: string | undefined;
  /** HTML of more fields. */
  readonly more?: string;
}

/**
 * The page a mailed link leads to: a new password, and the secret of the mail. The secret stands behind the "#" of the
 * link, where no server and no log sees it; the script moves it into the form, and without one it is pasted.
 */
export const mailedLinkPage = (content: MailedLinkPage): string => {
  const { title, intro, action, submit, token, alert, problem, more = '' } = content;
  const secret =
    token === undefined
      ? `<div data-link-part>${input({ id: 'token', name: 'token', label: 'Code of the mail', autocomplete: 'off', maxLength: 200 }).replace('<input ', '<input data-link-secret ')}</div>`
      : `<input type="hidden" name="token" value="${escapeHtml(token)}">`;
  return page({
    title,
    main: `${alert === undefined ? '' : `<p role="alert">${escapeHtml(alert)}</p>`}
<p>${escapeHtml(intro)}</p>
<form method="post" action="${action}">
${secret}
${newPasswordField(problem)}
${more}
<button type="submit">${escapeHtml(submit)}</button>
</form>
<p><a href="/login">To the sign-in page</a></p>`,
    script: LINK_SCRIPT_PATH,
  });
};
