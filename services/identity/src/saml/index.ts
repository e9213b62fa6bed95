/**
 * SAML 2.0 service provider: sign-in and single logout by HTTP-Redirect and HTTP-POST.
 *
 * Owns: the strict layer that decides whether a message is valid and reads it (verify/, run in threads by verifier/),
 * correlation with the request and the browser, replay, the facet of a connection with the metadata it comes from, our
 * keys and metadata. Does not own: which account a login is for, sessions (login/, sessions/). samlify only
 * builds sign-in requests.
 * @see SAML Core, Bindings, Profiles and Metadata 2.0; XML Signature 1.1; XML Encryption 1.1
 */
export { samlAdminRoutes } from './facet/admin-routes.ts';
export { logoutPage } from './logout/logout-pages.ts';
export { createMetadataReader, type MetadataReader } from './metadata/metadata-reader.ts';
export { startSamlMaintenance, type SamlMaintenance } from './metadata/maintenance.ts';
export { samlRoutes } from './routes.ts';
export { readServiceProvider, type SamlServiceProvider } from './service-provider.ts';
export { startSamlLogout } from './logout/start-logout.ts';
export { createVerifier, type SamlVerifier } from './verifier/pool.ts';
export { findSamlFacet } from './facet/facet-store.ts';
export { startSamlLogin } from './start-login.ts';
