import { z } from 'zod';

import { attributeSchema, nameSchema } from '../vocabulary/index.ts';

/** Caps of what one flag may carry in one environment. */
export const LIMITS = Object.freeze({
  maxRules: 32,
  maxConditionsPerRule: 16,
  maxValuesPerCondition: 500,
  maxBuckets: 20,
});

/** The attribute that names whom a flag is evaluated for (OpenFeature). */
export const TARGETING_KEY = 'targetingKey';

/** fractional of flagd: weights are integers whose sum fits a signed 32-bit integer. */
export const MAX_TOTAL_WEIGHT = 2_147_483_647;

const text = z.string().max(500);
const number = z.number().min(-Number.MAX_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER);
const scalar = z.union([text, number, z.boolean()]);
const oneOfValues = z
  .array(z.union([text, number]))
  .min(1)
  .max(LIMITS.maxValuesPerCondition);

const on = { attribute: attributeSchema };
const version = z
  .string()
  .max(100)
  .regex(/^\d{1,9}\.\d{1,9}\.\d{1,9}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/, 'A version is MAJOR.MINOR.PATCH.')
  .refine((value) => !/[-.]0\d+(\.|$)/.test(value.replace(/^[^-]*/, '')), {
    message: 'A numeric pre-release identifier has no leading zero (Semantic Versioning §9).',
  })
  .refine((value) => !/(^|\.)0\d/.test(value.replace(/-.*$/, '')), {
    message: 'A version number has no leading zero (Semantic Versioning §2).',
  });

/**
 * One test of the evaluation context. A missing attribute, or one of the wrong type, makes every test false except
 * `not_exists`: nothing throws, and a negative test never matches somebody about whom nothing is known.
 */
export const conditionSchema = z.discriminatedUnion('operator', [
  z.strictObject({ ...on, operator: z.enum(['equals', 'not_equals']), value: scalar }),
  z.strictObject({ ...on, operator: z.enum(['in', 'not_in']), values: oneOfValues }),
  z.strictObject({ ...on, operator: z.enum(['contains', 'starts_with', 'ends_with']), value: text.min(1) }),
  z.strictObject({
    ...on,
    operator: z.enum(['less_than', 'less_than_or_equal', 'greater_than', 'greater_than_or_equal']),
    value: number,
  }),
  z.strictObject({
    ...on,
    operator: z.literal('sem_ver'),
    comparison: z.enum(['=', '!=', '<', '<=', '>', '>=', '^', '~']),
    value: version,
  }),
  z.strictObject({ ...on, operator: z.enum(['exists', 'not_exists']) }),
]);

export type Condition = z.output<typeof conditionSchema>;

const rolloutSchema = z.strictObject({
  /** The attribute whose value decides the bucket; a subject keeps its bucket as long as value and weights stay. */
  bucketBy: attributeSchema.default(TARGETING_KEY),
  buckets: z
    .array(z.strictObject({ variant: nameSchema, weight: z.int().min(0).max(MAX_TOTAL_WEIGHT) }))
    .min(1)
    .max(LIMITS.maxBuckets)
    .refine((buckets) => new Set(buckets.map(({ variant }) => variant)).size === buckets.length, {
      message: 'A variant appears once in a rollout.',
    })
    .refine(
      (buckets) => {
        const total = buckets.reduce((sum, { weight }) => sum + weight, 0);
        return total >= 1 && total <= MAX_TOTAL_WEIGHT;
      },
      { message: `The weights of a rollout add up to between 1 and ${String(MAX_TOTAL_WEIGHT)}.` },
    ),
});

const serveSchema = z.union([z.strictObject({ variant: nameSchema }), z.strictObject({ rollout: rolloutSchema })]);

/** All conditions of a rule must hold; the first rule that holds decides. */
export const ruleSchema = z.strictObject({
  name: z.string().max(200).optional(),
  when: z.array(conditionSchema).max(LIMITS.maxConditionsPerRule).default([]),
  serve: serveSchema,
});

export const rulesSchema = z.array(ruleSchema).max(LIMITS.maxRules);

export type Rule = z.output<typeof ruleSchema>;
export type Rollout = z.output<typeof rolloutSchema>;

/** Every variant a list of rules can answer. */
export const variantsOf = (rules: readonly Rule[]): ReadonlySet<string> =>
  new Set(
    rules.flatMap(({ serve }) =>
      'variant' in serve ? [serve.variant] : serve.rollout.buckets.map(({ variant }) => variant),
    ),
  );
