import { foldCase } from '../../../accounts/index.ts';
import type { AttributeDefinition } from '../attribute.ts';
import { isArray, isObject, type JsonObject, type JsonValue } from '../json.ts';
import type { Operator } from './ast.ts';
import { readInstant, type Instant } from './instant.ts';
import { leafOf, type FilterTarget, type Operand, type ResolvedFilter } from './resolve.ts';

/** Null, "", [] and {} are no value (RFC 7643 §2.5; RFC 7644 §3.4.2.2, `pr`). */
const isPresent = (value: JsonValue | undefined): value is JsonValue => {
  if (value === undefined || value === null || value === '') return false;
  if (isArray(value)) return value.some(isPresent);
  return !isObject(value) || Object.values(value).some(isPresent);
};

const own = (object: JsonValue | undefined, key: string): JsonValue | undefined =>
  isObject(object) && Object.hasOwn(object, key) ? object[key] : undefined;

/** The elements a target names: those of a list that meet its filter, or the one value. */
const elementsAt = (document: JsonObject, { extension, attribute, elements }: FilterTarget): readonly JsonValue[] => {
  const value = own(extension === undefined ? document : own(document, extension.id), attribute.name);
  if (!attribute.multiValued) return isPresent(value) ? [value] : [];
  const list = isArray(value) ? value.filter(isPresent) : [];
  return elements === undefined ? list : list.filter((item) => isObject(item) && matches(item, elements));
};

/** An absent `primary` is a primary that is false (RFC 7643 §2.4). */
const implied = (leaf: AttributeDefinition): JsonValue | undefined =>
  leaf.type === 'boolean' && leaf.name === 'primary' ? false : undefined;

const presentAt = (document: JsonObject, target: FilterTarget): boolean => {
  const { sub } = target;
  const elements = elementsAt(document, target);
  return sub === undefined ? elements.length > 0 : elements.some((element) => isPresent(own(element, sub.name)));
};

const valuesAt = (document: JsonObject, target: FilterTarget, isElement: boolean): readonly JsonValue[] => {
  const { attribute, sub } = target;
  const elements = elementsAt(document, target);
  if (sub !== undefined) return elements.map((element) => own(element, sub.name) ?? implied(sub)).filter(isPresent);
  const absent = isElement ? implied(attribute) : undefined;
  return elements.length === 0 && absent !== undefined ? [absent] : elements;
};

/** By code points, as `COLLATE "C"` has it; JavaScript's own order goes by UTF-16 units. */
const compareText = (left: string, right: string): number => Buffer.compare(Buffer.from(left), Buffer.from(right));

const ORDER_TESTS: Readonly<Record<Operator, (order: number) => boolean>> = {
  eq: (order) => order === 0,
  ne: (order) => order !== 0,
  gt: (order) => order > 0,
  ge: (order) => order >= 0,
  lt: (order) => order < 0,
  le: (order) => order <= 0,
  // Never resolved for what is no text.
  co: () => false,
  sw: () => false,
  ew: () => false,
};

const testText = (operator: Operator, left: string, right: string): boolean => {
  if (operator === 'co') return left.includes(right);
  if (operator === 'sw') return left.startsWith(right);
  return operator === 'ew' ? left.endsWith(right) : ORDER_TESTS[operator](compareText(left, right));
};

/** Ours has whole milliseconds; what is asked for may be a little later than its own. */
const compareInstants = (left: Instant, right: Instant): number =>
  left.ms === right.ms ? Number(left.hasMore) - Number(right.hasMore) : left.ms - right.ms;

const testValue = (leaf: AttributeDefinition, value: JsonValue, operator: Operator, operand: Operand): boolean => {
  if (operand.kind === 'boolean') return (value === operand.value) === (operator === 'eq');
  if (typeof value !== 'string') return operator === 'ne';
  if (operand.kind === 'text')
    return leaf.caseExact
      ? testText(operator, value, operand.value)
      : testText(operator, foldCase(value), foldCase(operand.value));
  const instant = readInstant(value);
  return instant === undefined ? operator === 'ne' : ORDER_TESTS[operator](compareInstants(instant, operand.value));
};

type Comparison = Extract<ResolvedFilter, { kind: 'compare' }>;

const compare = (document: JsonObject, { target, operator, operand }: Comparison, isElement: boolean): boolean => {
  const values = valuesAt(document, target, isElement);
  // What has no value is different from every value.
  if (values.length === 0) return operator === 'ne';
  return values.some((value) => testValue(leafOf(target), value, operator, operand));
};

const evaluate = (document: JsonObject, filter: ResolvedFilter, isElement: boolean): boolean => {
  if ('operands' in filter) {
    const test = (operand: ResolvedFilter): boolean => evaluate(document, operand, isElement);
    return filter.kind === 'and' ? filter.operands.every(test) : filter.operands.some(test);
  }
  const { kind } = filter;
  if (kind === 'not') return !evaluate(document, filter.operand, isElement);
  if (kind === 'constant') return filter.value;
  if (kind === 'present') return presentAt(document, filter.target);
  if (kind === 'some') return elementsAt(document, filter.target).length > 0;
  return compare(document, filter, isElement);
};

/**
 * Whether an element of a multi-valued attribute meets the filter in the brackets behind the attribute. Pure; what SQL
 * answers for the same filter is the same.
 */
export const matches = (element: JsonObject, filter: ResolvedFilter): boolean => evaluate(element, filter, true);

/**
 * Whether a resource, as it would be answered in full, meets the filter. A list meets a comparison when one of its
 * values does; `ne` holds where there is no value.
 *
 * @see RFC 7644 §3.4.2.2
 */
export const matchesResource = (resource: JsonObject, filter: ResolvedFilter): boolean =>
  evaluate(resource, filter, false);
