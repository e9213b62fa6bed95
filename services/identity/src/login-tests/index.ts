/**
 * Tests of a connection: a login that signs nobody in and says what it found.
 *
 * Owns: who may start one, the sealed address it starts at, reading the traces. Does not own: the protocols (saml/,
 * oidc/), which verify a test exactly as they do a login; keeping a trace and judging the account rule (login/).
 */
export { loginTestRoutes } from './routes.ts';
