/**
 * Organisations, as far as policy is concerned.
 *
 * Owns: preparing one (audit log, revision counter, first Owner) for the operator of the deployment. Does not own: the
 * organisation itself (the identity service).
 */
export { createOrganization, type OrganizationDependencies } from './create-organization.ts';
export { operatorService } from './rpc.ts';
