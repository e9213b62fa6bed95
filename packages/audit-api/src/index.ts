/**
 * A service's audit log over HTTP: paged listing and JSON Lines export.
 *
 * Owns: the two routes every service mounts under its own base path. Does not own: the log (packages/audit), nor who may
 * read it (permissions `audit:read` and `audit:export`, decided by policy).
 */
export { auditRoutes } from './routes.ts';
