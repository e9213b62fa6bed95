/**
 * Conditions of grants: when a grant applies, by properties of subject, resource, action and context.
 *
 * Owns: the closed set of operators and what they mean, reading and bounding what somebody sends, the two evaluators
 * (compiled for the index, plain for Casbin) that tests hold equal. Does not own: what a grant gives (model/), where
 * properties come from (decide/, authzen/).
 */
export { attributesText, type Attributes, type GivenProperties } from './attributes.ts';
export { compileCondition, type CompiledCondition } from './compile-condition.ts';
export {
  MAX_CONDITION_CHARS,
  MAX_CONDITION_DEPTH,
  MAX_CONDITION_TESTS,
  OPERATORS,
  OWN_PROPERTIES,
  canonicalText,
  coversCondition,
  propertiesOf,
  testsOf,
  type Condition,
  type ConditionTest,
  type Operator,
  type Scalar,
} from './condition.ts';
export { met } from './met.ts';
export { isPropertyName, readCondition, type ConditionProblem, type ReadCondition } from './read-condition.ts';
