/**
 * Where grants can apply: the registry of projects and environments, with the tier that decides.
 *
 * Owns: the registry and taking registrations over. Does not own: projects and environments themselves (the flags
 * service, which registers them), nor what is permitted in them.
 */
export { registerEnvironment, registerProject, type ScopeDependencies } from './register-scope.ts';
export { scopeRoutes } from './routes.ts';
export { scopeService } from './rpc.ts';
