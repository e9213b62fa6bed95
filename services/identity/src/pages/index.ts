/**
 * The plain pages people see while they sign in and out: HTML without scripts, one style sheet.
 *
 * Owns: their frame. Does not own: what they say.
 * @see WCAG 2.2 AA
 */
export { renderErrorPage } from './error-page.ts';
export { page, STYLE, STYLE_PATH, type PageContent } from './page.ts';
