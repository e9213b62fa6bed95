/**
 * AuthZEN Authorization API 1.0 over HTTP: Access Evaluation and metadata.
 *
 * Owns: its shapes, its errors, the mapping to our questions (evaluation.ts). Does not own: the decision (decide/), who
 * may ask (decision-tokens/). Batches and searches are not served yet, so metadata does not name them.
 *
 * @see https://openid.net/specs/authorization-api-1_0.html
 */
export { renderAuthzenError } from './render-error.ts';
export { authzenRoutes, type AuthzenDependencies } from './routes.ts';
