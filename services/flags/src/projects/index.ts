/**
 * Projects and their environments.
 *
 * Owns: both, the approval rule of an environment, and telling policy about scopes (an outbox, delivered in order until
 * acknowledged). Does not own: flags in them, nor the decision who may do what there. The tier of an environment is
 * fixed, and its protection is only ever raised: PostgreSQL refuses anything else.
 */
export { demandsReview, type Environment, type Project, type Tier, tierSchema } from './environment.ts';
export { ScopeDelivery, type ScopeDeliveryOptions } from './deliver-scopes.ts';
export type { ScopeRegistration, ScopeRegistry } from './scope-registration.ts';
export {
  type ProjectWithEnvironments,
  resolveEnvironment,
  resolveProject,
  resolveProjectWithEnvironments,
} from './find-project.ts';
export { decisionOf, environmentScope, projectRoutes, type ProjectRouteDependencies, projectScope } from './routes.ts';
export { findEnvironmentById, findProject, listEnvironments } from './store.ts';
export { policyRegistry } from './policy-registry.ts';
