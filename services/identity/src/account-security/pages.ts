import { escapeHtml } from '@sallyport/http';

import type { Passkey, TotpEnrolment } from '../factors/index.ts';
import { totpForm } from '../local-sign-in/index.ts';
import { input, newPasswordField, page, PASSKEY_SCRIPT_PATH, recoveryCodeList } from '../pages/index.ts';
import type { SignInMethods } from './factors-view.ts';

const API = '/api/identity/v1/factors';
const HOME = '/account/security';

/** What the page says above everything else, or beside one field. */
export interface SecurityNotice {
  readonly status?: string;
  readonly alert?: string;
  readonly problem?: { readonly field: 'current' | 'password'; readonly text: string };
}

const time = (at: Date | null): string =>
  at === null ? 'never' : `<time datetime="${at.toISOString()}">${at.toUTCString()}</time>`;

const button = (action: string, label: string, isQuiet = true): string =>
  `<form method="post" action="${action}" class="inline"><button type="submit"${isQuiet ? ' class="secondary"' : ''}>${escapeHtml(label)}</button></form>`;

const passkeyItem = ({ id, name, createdAt, lastUsedAt, isSynced }: Passkey): string => `<li>
<strong>${escapeHtml(name)}</strong>${isSynced ? ' (synced)' : ''}
<p class="hint">Added ${time(createdAt)}, last used ${time(lastUsedAt)}</p>
<form method="post" action="${HOME}/passkeys/${id}/rename">
${input({ id: `name-${id}`, name: 'name', label: `New name of ${name}`, autocomplete: 'off', maxLength: 100 })}
<button type="submit" class="secondary">Rename</button>
</form>
${button(`${HOME}/passkeys/${id}/remove`, `Remove ${name}`)}
</li>`;

const passkeys = (list: readonly Passkey[]): string => `<h2>Passkeys</h2>
${list.length === 0 ? '<p>You have none yet.</p>' : `<ul class="things">${list.map(passkeyItem).join('')}</ul>`}
<p id="passkey-problem" role="alert" hidden></p>
<div data-passkey-part hidden>
${input({ id: 'passkey-name', name: 'name', label: 'A name for a new passkey', autocomplete: 'off', maxLength: 100, isOptional: true })}
<button type="button" data-passkey="create" data-options="${API}/passkeys/options" data-finish="${API}/passkeys" data-name-from="passkey-name">Add a passkey</button>
</div>`;

const totp = ({ totp: factor }: SignInMethods): string =>
  factor === null
    ? `<h2>Authenticator app</h2>
<p>You have not set one up.</p>
${button(`${HOME}/totp`, 'Set up an app')}`
    : `<h2>Authenticator app</h2>
<p>Set up ${time(factor.confirmedAt)}, last used ${time(factor.lastUsedAt)}.${factor.isLocked ? ' It is locked after too many wrong codes: remove it and set it up anew.' : ''}</p>
${button(`${HOME}/totp/remove`, 'Remove the app')}`;

const recovery = ({ recoveryCodesLeft, totp: app, passkeys: list }: SignInMethods): string =>
  app === null && list.length === 0
    ? ''
    : `<h2>Recovery codes</h2>
<p>${String(recoveryCodesLeft)} left.</p>
${button(`${HOME}/recovery-codes`, 'Make new ones')}`;

const password = ({ passwordChangedAt }: SignInMethods, { problem }: SecurityNotice): string =>
  passwordChangedAt === null
    ? ''
    : `<h2>Password</h2>
<p>Last changed ${time(passwordChangedAt)}. Changing it ends your other sessions.</p>
<form method="post" action="${HOME}/password">
${input({
  id: 'current',
  name: 'current',
  label: 'Current password',
  type: 'password',
  autocomplete: 'current-password',
  maxLength: 1024,
  problem: problem?.field === 'current' ? problem.text : undefined,
})}
${newPasswordField(problem?.field === 'password' ? problem.text : undefined)}
<button type="submit">Change the password</button>
</form>`;

/** How I sign in, and changing it. */
export const securityPage = (methods: SignInMethods, notice: SecurityNotice = {}): string => {
  const { status, alert } = notice;
  return page({
    title: 'How you sign in',
    main: `${alert === undefined ? '' : `<p role="alert">${escapeHtml(alert)}</p>`}
${status === undefined ? '' : `<p role="status">${escapeHtml(status)}</p>`}
${passkeys(methods.passkeys)}
${totp(methods)}
${recovery(methods)}
${password(methods, notice)}
<p><a href="/account">Back to your account</a></p>`,
    script: PASSKEY_SCRIPT_PATH,
  });
};

/** The secret of a new authenticator app, once. */
export const totpPage = (content: { readonly enrolment: TotpEnrolment | null; readonly problem?: string }): string =>
  page({
    title: 'Set up an authenticator app',
    main: `${totpForm(`${HOME}/totp/confirm`, '', content)}
<p><a href="${HOME}">Not now</a></p>`,
  });

/** Recovery codes, once. */
export const codesPage = (codes: readonly string[]): string =>
  page({
    title: 'Keep these codes',
    main: `${recoveryCodeList(codes)}<p><a class="button" href="${HOME}">I have kept them: continue</a></p>`,
  });
