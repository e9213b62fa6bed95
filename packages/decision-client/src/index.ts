/**
 * How a service asks who calls (identity) and what they may do (policy).
 *
 * Owns: the extraction of the credential from a request, the deadlines, failing closed. Does not own: decisions,
 * sessions and tokens. Keeps nothing: every question is asked anew.
 *
 * @see RFC 6750 §2.1 (bearer tokens), RFC 6265 §4 (cookies)
 */
export { SESSION_COOKIE, credentialOf, type Credential, type CredentialRequest } from './credential.ts';
export { decideWith, type DecisionScope } from './decide-with.ts';
export {
  createDecisionClient,
  type Decision,
  type DecisionClient,
  type DecisionClientOptions,
  type DecisionRequest,
  type DecisionResource,
  type DecisionSubject,
} from './decision.ts';
export {
  createPrincipalClient,
  type Principal,
  type PrincipalClient,
  type PrincipalClientOptions,
  type PrincipalRequest,
} from './principal.ts';
