import type { AttributeDefinition, ResourceDefinition, SchemaDefinition } from '../attribute.ts';
import { findNamed, findPart } from '../names.ts';
import type { Filter, FilterPath, Literal, Operator } from './ast.ts';
import { readInstant, type Instant } from './instant.ts';
import { invalidFilter } from './lexer.ts';
import { FilterParser, parseFilter, type ParseOptions } from './parse.ts';

/** What an expression looks at, found in the schema. Of an element filter, `attribute` is a part of the element. */
export interface FilterTarget {
  readonly extension: SchemaDefinition | undefined;
  readonly attribute: AttributeDefinition;
  /** Of a list: only elements that meet this. */
  readonly elements: ResolvedFilter | undefined;
  readonly sub: AttributeDefinition | undefined;
}

/** A literal of the type its attribute has. */
export type Operand =
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'instant'; readonly value: Instant };

/** A filter whose names are in the schema and whose values fit them. */
export type ResolvedFilter =
  | { readonly kind: 'and' | 'or'; readonly operands: readonly ResolvedFilter[] }
  | { readonly kind: 'not'; readonly operand: ResolvedFilter }
  /** About an attribute another type of resource has: known without a look. */
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'present'; readonly target: FilterTarget }
  | { readonly kind: 'some'; readonly target: FilterTarget }
  | {
      readonly kind: 'compare';
      readonly target: FilterTarget;
      readonly operator: Operator;
      readonly operand: Operand;
    };

/** Finds what a path names; undefined when it is an attribute of another type of resource. @throws INVALID_FILTER */
type FindTarget = (path: FilterPath) => FilterTarget | undefined;

const ORDERED: ReadonlySet<Operator> = new Set(['gt', 'ge', 'lt', 'le']);
const PARTIAL: ReadonlySet<Operator> = new Set(['co', 'sw', 'ew']);

const unknown = (name: string, owner: string): Error =>
  invalidFilter(`"${name.slice(0, 100)}" is no attribute of ${owner}.`);

/** What is compared: the part that is named, else the `value` of an object (RFC 7644 §3.4.2.2, `emails co "…"`). */
const comparedBy = (target: FilterTarget): FilterTarget => {
  if (target.sub !== undefined || target.attribute.type !== 'complex') return target;
  const value = findPart(target.attribute, 'value');
  if (value === undefined) throw invalidFilter(`${target.attribute.name} is an object: say which part of it.`);
  return { ...target, sub: value };
};

/** The attribute whose type and case count. */
export const leafOf = ({ attribute, sub }: FilterTarget): AttributeDefinition => sub ?? attribute;

const wrongType = (name: string): Error => invalidFilter(`The value compared with ${name} has the wrong type.`);

const readBoolean = (name: string, literal: Literal, lenient: boolean): Operand => {
  if (literal.kind === 'boolean') return { kind: 'boolean', value: literal.value };
  // Entra writes roles[primary eq "True"].
  const word = lenient && literal.kind === 'string' ? literal.value.toLowerCase() : '';
  if (word === 'true' || word === 'false') return { kind: 'boolean', value: word === 'true' };
  throw wrongType(name);
};

const readOperand = (leaf: AttributeDefinition, literal: Literal, lenient: boolean): Operand => {
  if (leaf.type === 'boolean') return readBoolean(leaf.name, literal, lenient);
  // A number is no string, but directories leave the quotes of an employee number out.
  const text =
    literal.kind === 'string' ? literal.value : literal.kind === 'number' && lenient ? literal.text : undefined;
  if (text === undefined) throw wrongType(leaf.name);
  if (leaf.type !== 'dateTime') return { kind: 'text', value: text };
  const instant = readInstant(text);
  if (instant === undefined) throw invalidFilter(`${leaf.name} is compared with a date and time with its offset.`);
  return { kind: 'instant', value: instant };
};

/** RFC 7644 §3.4.2.2, table 3: no order among booleans and bytes, no parts of what is no text. */
const checkOperator = (leaf: AttributeDefinition, operator: Operator): void => {
  const isText = leaf.type === 'string' || leaf.type === 'reference';
  if (PARTIAL.has(operator) && !isText) throw invalidFilter(`${leaf.name} is no text: "${operator}" does not apply.`);
  if (ORDERED.has(operator) && !isText && leaf.type !== 'dateTime')
    throw invalidFilter(`${leaf.name} has no order: "${operator}" does not apply.`);
};

const not = (operand: ResolvedFilter): ResolvedFilter => ({ kind: 'not', operand });

class Resolver {
  readonly #find: FindTarget;
  readonly #lenient: boolean;

  constructor(find: FindTarget, { allowBareWords = true }: ParseOptions) {
    this.#find = find;
    this.#lenient = allowBareWords;
  }

  resolve(filter: Filter): ResolvedFilter {
    if ('operands' in filter)
      return { kind: filter.kind, operands: filter.operands.map((operand) => this.resolve(operand)) };
    const { kind } = filter;
    if (kind === 'not') return not(this.resolve(filter.operand));
    if (kind === 'compare') return this.#compare(filter);
    const target = this.#find(filter.path);
    return target === undefined ? { kind: 'constant', value: false } : { kind, target };
  }

  #compare({ path, operator, value }: Extract<Filter, { kind: 'compare' }>): ResolvedFilter {
    const target = this.#find(path);
    if (value.kind === 'null') return absence(target, operator);
    if (target === undefined) return { kind: 'constant', value: operator === 'ne' };
    const compared = comparedBy(target);
    checkOperator(leafOf(compared), operator);
    const operand = readOperand(leafOf(compared), value, this.#lenient);
    return { kind: 'compare', target: compared, operator, operand };
  }
}

/** `eq null` is "has no value", `ne null` is `pr`; nothing else can be asked of null. */
const absence = (target: FilterTarget | undefined, operator: Operator): ResolvedFilter => {
  if (operator !== 'eq' && operator !== 'ne') throw invalidFilter(`"${operator}" cannot compare with null.`);
  if (target === undefined) return { kind: 'constant', value: operator === 'eq' };
  const present: ResolvedFilter = { kind: 'present', target };
  return operator === 'eq' ? not(present) : present;
};

const requireReadable = (target: FilterTarget, owner: string): void => {
  for (const { name, returned } of [target.attribute, ...(target.sub === undefined ? [] : [target.sub])])
    if (returned === 'never') throw unknown(name, owner);
};

const findInElement =
  (attribute: AttributeDefinition): FindTarget =>
  ({ name }) => {
    const part = findPart(attribute, name);
    if (part === undefined) throw invalidFilter(`"${name.slice(0, 100)}" is no part of ${attribute.name}.`);
    return { extension: undefined, attribute: part, elements: undefined, sub: undefined };
  };

const resolveElements = (
  attribute: AttributeDefinition,
  { elements, sub }: FilterPath,
  options: ParseOptions,
): Pick<FilterTarget, 'elements' | 'sub'> => {
  if (elements === undefined) return { elements: undefined, sub: undefined };
  if (!attribute.multiValued || attribute.type !== 'complex')
    throw invalidFilter(`${attribute.name} is not a list of objects.`);
  const part = sub === undefined ? undefined : findPart(attribute, sub);
  if (sub !== undefined && part === undefined)
    throw invalidFilter(`"${sub.slice(0, 100)}" is no part of ${attribute.name}.`);
  return { elements: new Resolver(findInElement(attribute), options).resolve(elements), sub: part };
};

/** Looks a path up in one type of resource; undefined when it has no such attribute. */
const findInResource = (
  resource: ResourceDefinition,
  path: FilterPath,
  options: ParseOptions,
): FilterTarget | undefined => {
  const named = findNamed(resource, path.name);
  if (named === undefined) return undefined;
  if (path.elements !== undefined && named.sub !== undefined)
    throw invalidFilter(`"${path.name.slice(0, 100)}" is not a list of objects.`);
  const { extension, attribute, sub } = named;
  const inElements = resolveElements(attribute, path, options);
  const target = { extension, attribute, elements: inElements.elements, sub: sub ?? inElements.sub };
  requireReadable(target, resource.name);
  return target;
};

/**
 * Looks a filter up in the schema of a type of resource. An attribute that `others` have and this one has not is
 * without a value here; one that nobody has is an error.
 *
 * @throws INVALID_FILTER for unknown names, values of the wrong type, operators that do not apply, and attributes that
 *   are never returned
 * @see RFC 7644 §3.4.2.1, §3.4.2.2
 */
export const resolveFilter = (
  resource: ResourceDefinition,
  filter: Filter,
  { others = [], ...options }: ParseOptions & { readonly others?: readonly ResourceDefinition[] } = {},
): ResolvedFilter => {
  const find: FindTarget = (path) => {
    const target = findInResource(resource, path, options);
    if (target !== undefined) return target;
    if (!others.some((other) => findInResource(other, path, options) !== undefined))
      throw unknown(path.name, [resource, ...others].map(({ name }) => name).join(' or '));
    return undefined;
  };
  return new Resolver(find, options).resolve(filter);
};

/** Parses and resolves the filter of a list. @throws INVALID_FILTER */
export const readFilter = (resource: ResourceDefinition, text: string, options: ParseOptions = {}): ResolvedFilter =>
  resolveFilter(resource, parseFilter(text, options), options);

/** Resolves the parsed filter in the brackets behind a multi-valued attribute. @throws INVALID_FILTER */
export const resolveElementFilter = (
  attribute: AttributeDefinition,
  filter: Filter,
  options: ParseOptions = {},
): ResolvedFilter => new Resolver(findInElement(attribute), options).resolve(filter);

/**
 * Reads the text inside the brackets behind a multi-valued attribute: `type eq "work" and value co "x"`.
 *
 * @throws INVALID_FILTER
 * @see RFC 7644 §3.5.2
 */
export const parseValueFilter = (
  attribute: AttributeDefinition,
  text: string,
  options: ParseOptions = {},
): ResolvedFilter => resolveElementFilter(attribute, new FilterParser(text, options).elementFilter(), options);
