/**
 * The edges of lists, explanations and the watch: gRPC `QueryService`, and HTTP for people.
 *
 * Owns: who may ask what, how it is asked and answered. Does not own: the answers (lists/, explain/, watch/).
 */
export { queryRoutes, type QueryRouteDependencies } from './routes.ts';
export { queryService, type QueryDependencies } from './rpc.ts';
