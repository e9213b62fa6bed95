/**
 * AuthZEN Authorization API 1.0 over HTTP: Access Evaluation, Access Evaluations, the three searches and metadata.
 *
 * Owns: its shapes, its errors, the mapping to our questions (evaluation.ts, locate.ts). Does not own: the decision
 * (decide/), lists and their revisions (lists/), who may ask (decision-tokens/).
 *
 * @see https://openid.net/specs/authorization-api-1_0.html
 */
export { renderAuthzenError } from './render-error.ts';
export { authzenRoutes, type AuthzenDependencies } from './routes.ts';
