import { escapeHtml } from '@sallyport/http';

import type { EnrolledFactors, TotpEnrolment } from '../factors/index.ts';
import { hidden, input, page, PASSKEY_SCRIPT_PATH, recoveryCodeList } from '../pages/index.ts';

const API = '/api/identity/v1/login';
const alertOf = (alert: string | undefined): string =>
  alert === undefined ? '' : `<p role="alert">${escapeHtml(alert)}</p>`;

/** Where the script says what went wrong. */
const PROBLEM = '<p id="passkey-problem" role="alert" hidden></p>';

const codeField = (hint: string, problem?: string): string =>
  input({ id: 'code', name: 'code', label: 'Code', autocomplete: 'one-time-code', maxLength: 40, hint, problem });

/** Asks for the second factor of a sign-in under way. */
export const secondFactorPage = (
  halfLoginId: string,
  { totp, passkeys, recoveryCodesLeft }: EnrolledFactors,
  problem?: string,
): string => {
  const hints = [
    totp === null ? '' : 'The six digits your authenticator app shows now.',
    recoveryCodesLeft > 0 ? 'A recovery code works, too.' : '',
  ];
  const passkey = `<div data-passkey-part hidden>
<button type="button" data-passkey="get" data-options="${API}/second-factor/passkey/options" data-finish="${API}/second-factor/passkey" data-half="${halfLoginId}">Use a passkey</button>
</div>`;
  return page({
    title: 'One more step',
    main: `${PROBLEM}
${passkeys.length > 0 ? passkey : ''}
<form method="post" action="/login/second-factor">
${hidden('half', halfLoginId)}
${codeField(hints.filter((hint) => hint !== '').join(' '), problem)}
<button type="submit">Continue</button>
</form>
<p><a href="/login">Start again</a></p>`,
    script: PASSKEY_SCRIPT_PATH,
  });
};

/** Somebody whose organisation demands a second factor chooses a first one. */
export const enrolPage = (halfLoginId: string, alert?: string): string =>
  page({
    title: 'Set up a second factor',
    main: `${alertOf(alert)}
<p>Your organisation asks for more than a password. Choose what you will sign in with from now on.</p>
${PROBLEM}
<div data-passkey-part hidden>
<h2>A passkey</h2>
<p class="hint">Your device or security key, unlocked as you unlock it every day. Nobody can be tricked into giving it away.</p>
${input({ id: 'passkey-name', name: 'name', label: 'A name to know it by', autocomplete: 'off', maxLength: 100, isOptional: true })}
<button type="button" data-passkey="create" data-options="${API}/enrol/passkey/options" data-finish="${API}/enrol/passkey" data-half="${halfLoginId}" data-name-from="passkey-name">Create a passkey</button>
</div>
<h2>An authenticator app</h2>
<p class="hint">An app on your telephone that shows a new code every half minute.</p>
<form method="post" action="/login/enrol/totp">
${hidden('half', halfLoginId)}
<button type="submit" class="secondary">Set up an app</button>
</form>`,
    script: PASSKEY_SCRIPT_PATH,
  });

/** The secret of an authenticator app, once; and the form that confirms it. */
export const totpForm = (
  action: string,
  fields: string,
  { enrolment, problem }: { readonly enrolment: TotpEnrolment | null; readonly problem?: string | undefined },
): string => {
  const secret =
    enrolment === null
      ? ''
      : `<p>Scan this with your authenticator app, or type the key into it.</p>
${enrolment.qr}
<p>Key: <code>${enrolment.secret.replaceAll(/(.{4})(?=.)/g, '$1 ')}</code></p>
<p><a href="${escapeHtml(enrolment.uri)}">Open in an app on this device</a></p>`;
  return `${secret}
<form method="post" action="${action}">
${fields}
${codeField('The six digits the app shows now.', problem)}
<button type="submit">Confirm</button>
</form>`;
};

/** Sets up an authenticator app in the middle of a sign-in. */
export const enrolTotpPage = (
  halfLoginId: string,
  content: { readonly enrolment: TotpEnrolment | null; readonly problem?: string },
): string =>
  page({
    title: 'Set up an authenticator app',
    main: `${totpForm('/login/enrol/totp/confirm', hidden('half', halfLoginId), content)}
<p><a href="/login/enrol?half=${halfLoginId}">Choose again</a></p>`,
  });

/** What is shown once after a first factor was set up, before going on. */
export const recoveryCodesPage = (codes: readonly string[], returnTo: string): string =>
  page({
    title: 'You are signed in',
    main: `${codes.length === 0 ? '' : recoveryCodeList(codes)}
<p><a class="button" href="${escapeHtml(returnTo)}">${codes.length === 0 ? 'Continue' : 'I have kept them: continue'}</a></p>`,
  });
