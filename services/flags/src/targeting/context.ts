import type { JsonValue } from '../vocabulary/index.ts';
import { TARGETING_KEY } from './rule.ts';

/** An attribute value rules can look at. Anything else (null, lists, objects) counts as missing. */
export type Scalar = string | number | boolean;

/** Whom or what a flag is evaluated for: the attributes rules can look at. */
export type EvaluationContext = Readonly<Record<string, Scalar>>;

const isScalar = (value: unknown): value is Scalar =>
  typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value));

const namesSomebody = (value: JsonValue): boolean => typeof value === 'string' && value !== '';

/**
 * Reduces a client's context to what rules can look at, so that no value of a strange type can make an engine throw.
 * A `targetingKey` that is empty or no text counts as missing: it names nobody.
 */
export const toEvaluationContext = (raw: Readonly<Record<string, JsonValue>>): EvaluationContext => {
  const entries = Object.entries(raw).filter(
    ([name, value]) => isScalar(value) && (name !== TARGETING_KEY || namesSomebody(value)),
  );
  return Object.freeze(Object.fromEntries(entries)) as EvaluationContext;
};
