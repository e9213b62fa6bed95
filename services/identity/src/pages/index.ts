/**
 * The plain pages people see while they sign in and out: HTML that works without scripts (passkeys
 * alone need one), one style sheet.
 *
 * Owns: their frame. Does not own: what they say.
 * @see WCAG 2.2 AA
 */
export { renderErrorPage } from './error-page.ts';
export { mailedLinkPage, type MailedLinkPage } from './mailed-link.ts';
export { hidden, input, newPasswordField, recoveryCodeList, type InputContent } from './parts.ts';
export { LINK_SCRIPT_PATH, page, PASSKEY_SCRIPT_PATH, STYLE, STYLE_PATH, type PageContent } from './page.ts';
export { readStyleSheet } from './theme.ts';
export { LINK_SCRIPT, PASSKEY_SCRIPT } from './scripts.ts';
