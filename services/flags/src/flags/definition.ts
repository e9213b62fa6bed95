import type { FieldError } from '@sallyport/errors';
import { z } from 'zod';

import { type Rule, rulesSchema, variantsOf } from '../targeting/index.ts';
import { canonicalSizeBytes, type JsonValue, nameSchema } from '../vocabulary/index.ts';

/** Caps of one flag; together they keep an audit entry small and a compiled environment deliverable. */
export const FLAG_LIMITS = Object.freeze({
  maxVariants: 50,
  maxTags: 20,
  /** Canonical JSON of all variants. */
  maxVariantsBytes: 16 * 1024,
  /** Canonical JSON of all rules in one environment. */
  maxRulesBytes: 16 * 1024,
});

export const flagTypeSchema = z.enum(['boolean', 'string', 'number', 'object']);
export type FlagType = z.output<typeof flagTypeSchema>;

export const stateSchema = z.enum(['ENABLED', 'DISABLED']);
export type FlagState = z.output<typeof stateSchema>;

const jsonValueSchema: z.ZodType<JsonValue, JsonValue> = z.json();

export const variantsSchema = z
  .record(nameSchema, jsonValueSchema)
  .refine((variants) => Object.keys(variants).length > 0, { message: 'A flag has at least one variant.' })
  .refine((variants) => Object.keys(variants).length <= FLAG_LIMITS.maxVariants, {
    message: `A flag has at most ${String(FLAG_LIMITS.maxVariants)} variants.`,
  });
export type Variants = Readonly<Record<string, JsonValue>>;

export const tagsSchema = z
  .array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,49}$/))
  .max(FLAG_LIMITS.maxTags)
  .refine((tags) => new Set(tags).size === tags.length, { message: 'A tag appears once.' });

/** What a flag is in every environment. Key and type are not in here: they never change. */
export const definitionSchema = z.strictObject({
  variants: variantsSchema,
  description: z.string().max(2_000),
  tags: tagsSchema,
  /** The account that answers for the flag. */
  owner: z.uuid().nullable(),
  /** Whether keys that ship inside browsers and apps may evaluate it. */
  clientVisible: z.boolean(),
  archived: z.boolean(),
});
export type FlagDefinition = z.output<typeof definitionSchema>;

/** What a flag does in one environment. No default variant means: the default in the application's code. */
export const configurationSchema = z.strictObject({
  state: stateSchema,
  rules: rulesSchema,
  defaultVariant: nameSchema.nullable(),
});
export type FlagConfiguration = z.output<typeof configurationSchema>;

const isOfType = (type: FlagType, value: JsonValue): boolean => {
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  // Beyond 2^53 - 1 the clients of other languages disagree about the value.
  if (type === 'number') return typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  return typeof value === type;
};

/** What is wrong with the variants of a flag of this type; empty when nothing is. `at` prefixes the pointers. */
export const checkVariants = (type: FlagType, variants: Variants, at = ''): FieldError[] => {
  const problems = Object.entries(variants)
    .filter(([, value]) => !isOfType(type, value))
    .map(([name]) => ({
      pointer: `${at}/variants/${name}`,
      code: 'WRONG_TYPE',
      detail: `Every variant of this flag is of type ${type}.`,
    }));
  if (canonicalSizeBytes(variants) > FLAG_LIMITS.maxVariantsBytes)
    problems.push({
      pointer: `${at}/variants`,
      code: 'TOO_LARGE',
      detail: `The variants take at most ${String(FLAG_LIMITS.maxVariantsBytes)} bytes.`,
    });
  return problems;
};

const unknownVariant = (pointer: string, name: string): FieldError => ({
  pointer,
  code: 'UNKNOWN_VARIANT',
  detail: `The flag has no variant ${name}.`,
});

const checkRules = (variants: Variants, rules: readonly Rule[], at: string): FieldError[] => {
  const problems = rules.flatMap((rule, index) =>
    [...variantsOf([rule])]
      .filter((name) => !Object.hasOwn(variants, name))
      .map((name) => unknownVariant(`${at}/rules/${String(index)}/serve`, name)),
  );
  if (canonicalSizeBytes(rules as unknown as JsonValue) > FLAG_LIMITS.maxRulesBytes)
    problems.push({
      pointer: `${at}/rules`,
      code: 'TOO_LARGE',
      detail: `The rules of a flag in one environment take at most ${String(FLAG_LIMITS.maxRulesBytes)} bytes.`,
    });
  return problems;
};

/** What is wrong with a configuration of a flag that has these variants; empty when nothing is. */
export const checkConfiguration = (
  variants: Variants,
  { rules, defaultVariant }: FlagConfiguration,
  at = '',
): FieldError[] => [
  ...(defaultVariant === null || Object.hasOwn(variants, defaultVariant)
    ? []
    : [unknownVariant(`${at}/defaultVariant`, defaultVariant)]),
  ...checkRules(variants, rules, at),
];
