/**
 * Drift reports: what an identity provider says it has, beside what we hold for its connection.
 *
 * Owns: reading an upload of any size in bounded memory, matching, findings, the reports. Does not own: accounts and
 * groups, which it only reads; bringing the two sides together, which is the directory's to do.
 * @see docs/scim.md
 */
export { driftRoutes } from './routes.ts';
