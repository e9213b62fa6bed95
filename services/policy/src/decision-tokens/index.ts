/**
 * Decision tokens: what a policy enforcement point outside the deployment shows to ask for decisions.
 *
 * Owns: issuing, revoking, recognising them. A token is bound to one organisation and good for questions only. Does
 * not own: the questions (authzen/).
 */
export { issueDecisionToken, type TokenDependencies } from './manage-tokens.ts';
export { tokenRoutes, type TokenRouteDependencies } from './routes.ts';
export { verifyDecisionToken, type DecisionClient } from './verify-token.ts';
