import { escapeHtml } from '@sallyport/http';

/** A field of a form with its label, its hint and what was wrong with it, tied together for assistive technology. */
export interface InputContent {
  readonly id: string;
  readonly name: string;
  readonly label: string;
  readonly type?: 'text' | 'email' | 'password';
  /** @see https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#autofill */
  readonly autocomplete: string;
  readonly hint?: string;
  readonly problem?: string | undefined;
  readonly value?: string;
  readonly maxLength: number;
  readonly isOptional?: boolean;
}

/** The HTML of a field; every value is escaped. */
export const input = (content: InputContent): string => {
  const { id, name, label, type = 'text', autocomplete, hint, problem, value, maxLength, isOptional = false } = content;
  const described = [hint === undefined ? '' : `${id}-hint`, problem === undefined ? '' : `${id}-problem`].filter(
    (part) => part !== '',
  );
  const attributes = [
    `id="${id}"`,
    `name="${name}"`,
    `type="${type}"`,
    `autocomplete="${autocomplete}"`,
    `maxlength="${String(maxLength)}"`,
    ...(isOptional ? [] : ['required']),
    ...(value === undefined ? [] : [`value="${escapeHtml(value)}"`]),
    ...(described.length === 0 ? [] : [`aria-describedby="${described.join(' ')}"`]),
    ...(problem === undefined ? [] : ['aria-invalid="true"']),
  ];
  return `<label for="${id}">${escapeHtml(label)}</label>
${hint === undefined ? '' : `<p id="${id}-hint" class="hint">${escapeHtml(hint)}</p>\n`}<input ${attributes.join(' ')}>
${problem === undefined ? '' : `<p id="${id}-problem" class="problem" role="alert">${escapeHtml(problem)}</p>\n`}`;
};

/** The field of a new password. @param problem what was wrong with the last one */
export const newPasswordField = (problem: string | undefined): string =>
  input({
    id: 'password',
    name: 'password',
    label: 'New password',
    type: 'password',
    autocomplete: 'new-password',
    maxLength: 1024,
    hint: 'At least 15 characters; several words are fine.',
    problem,
  });

/** A value that is sent along with a form. */
export const hidden = (name: string, value: string): string =>
  `<input type="hidden" name="${name}" value="${escapeHtml(value)}">`;

/** Recovery codes, shown once. */
export const recoveryCodeList = (codes: readonly string[]): string => `<h2>Your recovery codes</h2>
<p>Each works once, in place of your authenticator app or passkey. Keep them where you would keep a spare key; they are not shown again.</p>
<ul class="codes">${codes.map((code) => `<li>${escapeHtml(code)}</li>`).join('')}</ul>`;
