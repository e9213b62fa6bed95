import { AppError } from '@sallyport/errors';
import { z } from 'zod';

/**
 * The same schema with every object in it strict: a field nobody declared is an error instead of being dropped.
 *
 * Objects that say themselves what becomes of unknown fields (`z.looseObject`, `.catchall`) stay as they are.
 */
export const strictly = <S extends z.ZodType>(schema: S): S => rewrite(schema, new Map()) as S;

type AnySchema = z.core.$ZodType;
type Seen = Map<AnySchema, AnySchema>;

const isSchema = (value: unknown): value is AnySchema => typeof value === 'object' && value !== null && '_zod' in value;

const rewrite = (schema: AnySchema, seen: Seen): AnySchema => {
  const done = seen.get(schema);
  if (done !== undefined) return done;
  const { def } = schema._zod;
  if (def.type === 'object') return rewriteObject(schema as z.core.$ZodObject, seen);
  if (def.type === 'lazy') {
    const lazy: AnySchema = z.lazy(() => rewrite((schema as z.core.$ZodLazy)._zod.innerType, seen));
    seen.set(schema, lazy);
    return lazy;
  }
  const changed = new Map<string, unknown>();
  for (const [name, value] of Object.entries(def)) {
    const next = rewriteValue(value, seen);
    if (next !== value) changed.set(name, next);
  }
  const result = changed.size === 0 ? schema : z.core.clone(schema, { ...def, ...Object.fromEntries(changed) });
  seen.set(schema, result);
  return result;
};

const rewriteValue = (value: unknown, seen: Seen): unknown => {
  if (isSchema(value)) return rewrite(value, seen);
  if (!Array.isArray(value) || !value.some(isSchema)) return value;
  const next = value.map((item: unknown) => (isSchema(item) ? rewrite(item, seen) : item));
  return next.some((item, index) => item !== value[index]) ? next : value;
};

/** Object shapes may refer to themselves through getters, so the new shape is made on first use. */
const rewriteObject = (schema: z.core.$ZodObject, seen: Seen): AnySchema => {
  const { def } = schema._zod;
  let shape: Record<string, AnySchema> | undefined;
  const result = z.core.clone(schema, {
    ...def,
    catchall: def.catchall ?? z.never(),
    get shape() {
      shape ??= Object.fromEntries(Object.entries(def.shape).map(([key, field]) => [key, rewrite(field, seen)]));
      return shape;
    },
  });
  seen.set(schema, result);
  return result;
};

/** @throws INVALID_VALUE when a schema that must be an object is not */
export const assertObject = (schema: z.ZodType, what: string): void => {
  if (schema._zod.def.type !== 'object') throw new AppError('INVALID_VALUE', `${what} must be an object schema.`);
};
