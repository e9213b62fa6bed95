/**
 * The entities of AuthZEN's information model as they arrive. Unknown fields are ignored (§10.1.1: receivers MUST ignore
 * them); everything else is of its type or refused. Properties are own keys only: the body comes from a parser that
 * refuses `__proto__` and repeated names.
 *
 * @see OpenID AuthZEN Authorization API 1.0 §5
 */
import { z } from 'zod';

import type { GivenProperties } from '../conditions/index.ts';

const MAX_NAME_CHARS = 1_024;
const MAX_PROPERTIES = 64;

const name = z.string().min(1).max(MAX_NAME_CHARS);

export const properties = z
  .record(z.string(), z.unknown())
  .refine((given) => Object.keys(given).length <= MAX_PROPERTIES, `at most ${String(MAX_PROPERTIES)} properties`);

/** §5.1, §5.2: both are a type, an id within it, and properties. */
export const thing = z.looseObject({ type: name, id: name, properties: properties.optional() });

/** A subject or resource that is searched for: its id MUST be ignored, whatever it is (§8.4, §8.5). */
export const searchedThing = z.looseObject({ type: name, properties: properties.optional() });

/** §5.3 */
export const actionShape = z.looseObject({ name, properties: properties.optional() });

/** §5.4 */
export const contextShape = properties;

/** An extension of ours: what may be asked of any request, beside what the specification defines. */
export const ourOptions = { reasons: z.boolean().optional() } as const;

export type Thing = z.output<typeof thing>;
export type SearchedThing = z.output<typeof searchedThing>;
export type Action = z.output<typeof actionShape>;
export type GivenContext = z.output<typeof contextShape>;

/** In words, what is wrong first. */
export const problemOf = ({ issues }: z.ZodError): string => {
  const [issue] = issues;
  if (issue === undefined) return 'It is not valid.';
  const where = issue.path.map((part) => `/${String(part)}`).join('');
  return where === '' ? issue.message : `${where}: ${issue.message}`;
};

/** The same value with the members of every object in order: what is equal is written alike. */
const inOrder = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(members.map(([key, member]) => [key, inOrder(member)]));
};

/** JSON by which equal requests are recognised, whatever the order of their members. Nesting is bounded by the parser. */
export const canonical = (value: unknown): string => JSON.stringify(inOrder(value));

/** Properties with their members in order. */
export const canonicalProperties = (given: GivenProperties): GivenProperties => inOrder(given) as GivenProperties;
