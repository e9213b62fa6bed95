/**
 * What a flag is: its definition in a project and its configuration in each environment.
 *
 * Owns: the shapes, their caps and what makes them consistent; reading flags. Does not own: changing them (changes, the
 * only way there is), what rules mean (targeting), answering applications (delivery).
 */
export {
  checkConfiguration,
  checkVariants,
  configurationSchema,
  definitionSchema,
  type FlagConfiguration,
  type FlagDefinition,
  FLAG_LIMITS,
  type FlagState,
  type FlagType,
  flagTypeSchema,
  stateSchema,
  tagsSchema,
  type Variants,
  variantsSchema,
} from './definition.ts';
export type { CurrentConfiguration, Flag } from './flag.ts';
export { findFlags, listFlags } from './store.ts';
