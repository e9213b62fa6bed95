/**
 * What stands beside the index: Casbin, which defines what the index must answer.
 *
 * Owns: the live shadow that compares the two, Casbin's own decisions for organisations where they differed, the switch
 * between them. Does not own: the order of checks around a decision (decide/), the rows (grants/).
 */
export { CasbinDecisions } from './casbin-decisions.ts';
export { engineRoutes, type EngineRouteDependencies } from './routes.ts';
export { Shadow, type ShadowOptions } from './shadow.ts';
