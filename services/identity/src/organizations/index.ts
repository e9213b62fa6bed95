/**
 * Organisations: the tenants of a deployment.
 *
 * Owns: the organisation and its creation with everything it must never be without. Does not own: who may do what in
 * it (policy).
 */
export { createOrganization, type CreatedOrganization, type CreateOrganization } from './create-organization.ts';
export { operatorService } from './rpc.ts';
export { findOrganization, findOrganizationBySlug, type Organization } from './store.ts';
