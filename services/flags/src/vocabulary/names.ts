import { z } from 'zod';

/** Keys of flags, projects and environments: what a person types into an SDK call or a path. */
const KEY_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
/** Names of variants and rules, and attributes of an evaluation context. */
const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const ATTRIBUTE_PATTERN = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;

// Names every object inherits: as a key of a plain object they would read (or write) the prototype.
const INHERITED_NAMES: ReadonlySet<string> = new Set([...Object.getOwnPropertyNames(Object.prototype), 'prototype']);

/** True for `__proto__`, `constructor`, `toString` and every other name an object has without being given it. */
const isInheritedName = (name: string): boolean => INHERITED_NAMES.has(name);

const ownName = (pattern: RegExp, what: string): z.ZodType<string, string> =>
  z
    .string()
    .regex(pattern, `${what} must match ${pattern.source}.`)
    .refine((name) => !isInheritedName(name), { message: `${what} may not be named like an object internal.` });

export const keySchema = ownName(KEY_PATTERN, 'A key');
export const nameSchema = ownName(NAME_PATTERN, 'A name');
export const attributeSchema = ownName(ATTRIBUTE_PATTERN, 'An attribute');
