/**
 * SAML 2.0 service provider: sign-in by HTTP-Redirect and HTTP-POST.
 *
 * Owns: the strict layer that decides whether a response is valid and reads it (verify/, run in threads by verifier/),
 * correlation with the request and the browser, replay, the facet of a connection, our metadata. Does not own: which
 * account a login is for, sessions (login/, sessions/). samlify only builds what we send.
 * @see SAML Core, Bindings, Profiles and Metadata 2.0; XML Signature 1.1
 */
export { samlAdminRoutes } from './admin-routes.ts';
export { samlRoutes } from './routes.ts';
export { readServiceProvider, type SamlServiceProvider } from './service-provider.ts';
export { createVerifier, type SamlVerifier } from './verifier/pool.ts';
