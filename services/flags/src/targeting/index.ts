/**
 * Which variant somebody gets: the rule model, its compilation to flagd's JSON, and evaluation.
 *
 * Owns: what a rule may say, and the one adapter to `@openfeature/flagd-core`. Does not own: where rules are stored
 * (changes) or how answers travel (delivery). Pure: no I/O. Formats: flagd flags.json and targeting.json.
 */
export {
  type Condition,
  LIMITS,
  MAX_TOTAL_WEIGHT,
  type Rollout,
  type Rule,
  ruleSchema,
  rulesSchema,
  TARGETING_KEY,
  variantsOf,
} from './rule.ts';
export { type CompilableFlag, compileFlag, compileTargeting, type FlagdFlag } from './compile.ts';
export { type EvaluationContext, toEvaluationContext } from './context.ts';
export { BUCKETING_VERSION, createFlagSet, type Evaluation, type FlagSet } from './engine.ts';
