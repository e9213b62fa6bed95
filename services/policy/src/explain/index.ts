/**
 * Explanations: the grant behind a decision and its way to the subject; for a denial, what came nearest and what would
 * have done.
 *
 * Owns: finding and telling it, for administrators and for the subject. Does not own: the decision (decide/), who may
 * ask (query/).
 */
export { createExplain, type Explain, type ExplainOptions } from './explain.ts';
export type { Cause, Explanation, GrantPath } from './explanation.ts';
export type { Miss, SufficientRole } from './nearest-miss.ts';
