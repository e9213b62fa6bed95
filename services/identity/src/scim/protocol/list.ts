import { AppError } from '@sallyport/errors';

import { foldCase } from '../../accounts/index.ts';
import { findAttribute, type AttributeDefinition } from './attribute.ts';
import { matches, type ResolvedFilter } from './filter/index.ts';
import { isObject, sameJson, type Document, type JsonValue } from './json.ts';
import { isMeaningful, MAX_ELEMENTS } from './values.ts';

/** A change to a multi-valued attribute; `elements` selects, `sub` narrows to a part of the selected ones. */
export interface ListChange {
  readonly op: 'add' | 'replace' | 'remove';
  readonly elements: ResolvedFilter | undefined;
  readonly sub: AttributeDefinition | undefined;
  /** Elements to add, to put in place or to remove; the part's value when `sub` is set. Empty: unassigned. */
  readonly values: readonly JsonValue[];
  /** Whether `add` makes the element its filter describes when there is none (Entra). */
  readonly makesElement: boolean;
}

type Element = Document;

const noTarget = (name: string): AppError => new AppError('NO_TARGET', `No value of ${name} matches the filter.`);

const asElement = (name: string, value: JsonValue | undefined): Element => {
  if (!isObject(value)) throw new AppError('INVALID_VALUE', `A value of ${name} must be an object.`);
  return { ...value };
};

/** Folds a text once, however often it is compared. */
const foldOnce = (): ((text: string) => string) => {
  const known = new Map<string, string>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const folded = foldCase(text);
    known.set(text, folded);
    return folded;
  };
};

/** What makes an entry the same: value and, where it has one, type (RFC 7643 §2.4); of an address, all its parts. */
const identityOf = (given: Element): string[] =>
  Object.hasOwn(given, 'value') ? ['value', 'type'].filter((key) => Object.hasOwn(given, key)) : Object.keys(given);

/** Tells whether elements are the same entry as a given one, compared as their attributes are. */
const sameEntry = (
  attribute: AttributeDefinition,
  given: Element,
  fold: (text: string) => string,
): ((element: Element) => boolean) => {
  const parts = identityOf(given).map((key) => {
    const isExact = findAttribute(attribute.subAttributes ?? [], key)?.caseExact !== false;
    const comparable = (value: JsonValue | undefined) => (typeof value === 'string' && !isExact ? fold(value) : value);
    return { key, comparable, wanted: comparable(given[key]) };
  });
  return (element) =>
    parts.every(
      ({ key, comparable, wanted }) => Object.hasOwn(element, key) && sameJson(comparable(element[key]), wanted),
    );
};

/** Setting one primary clears the others (RFC 7644 §3.5.2). */
const withOnePrimary = (elements: readonly Element[], set: ReadonlySet<Element>): Element[] => {
  const chosen = elements.filter((element) => set.has(element) && element['primary'] === true);
  if (chosen.length > 1) throw new AppError('INVALID_VALUE', 'More than one value would be primary.');
  if (chosen.length === 0) return [...elements];
  return elements.map((element) =>
    element === chosen[0] || element['primary'] !== true ? element : { ...element, primary: false },
  );
};

/** What is there stays as it is spelled: "A@b.c" is no other address than "a@b.c" (RFC 7644 §3.5.2.1). */
const merge = (stored: Element, given: Element): Element => {
  const same = identityOf(given).map((key): [string, JsonValue] => [key, stored[key] ?? null]);
  return { ...stored, ...given, ...Object.fromEntries(same) };
};

const addElements = (
  attribute: AttributeDefinition,
  stored: readonly Element[],
  given: readonly Element[],
): Element[] => {
  const result = [...stored];
  const touched = new Set<Element>();
  const fold = foldOnce();
  for (const element of given) {
    const at = result.findIndex(sameEntry(attribute, element, fold));
    const merged = at === -1 ? element : merge(result[at] ?? {}, element);
    if (at === -1) result.push(merged);
    else result[at] = merged;
    touched.add(merged);
  }
  return withOnePrimary(result, touched);
};

/** The element a filter describes, when it is one: `eq` comparisons, all of which must hold. */
const describedBy = (filter: ResolvedFilter): Element | undefined => {
  const operands = filter.kind === 'and' ? filter.operands : [filter];
  const element: Element = {};
  for (const operand of operands) {
    if (operand.kind !== 'compare' || operand.operator !== 'eq' || operand.operand.kind === 'instant') return undefined;
    const { name } = operand.target.attribute;
    if (Object.hasOwn(element, name) && element[name] !== operand.operand.value) return undefined;
    element[name] = operand.operand.value;
  }
  return element;
};

const changeElement = (name: string, element: Element, { op, sub, values }: ListChange): Element => {
  const [value] = values;
  if (sub === undefined) {
    const given = asElement(name, value);
    return op === 'replace' ? given : { ...element, ...given };
  }
  const { [sub.name]: _dropped, ...rest } = element;
  return value === undefined ? rest : { ...rest, [sub.name]: value };
};

/** A change that would be dropped again, a type or a display name of no value, is none. */
const requireMeaning = (name: string, elements: Iterable<Element>, { values }: ListChange): void => {
  if (values.length === 0) return;
  for (const element of elements)
    if (!isMeaningful(element)) throw new AppError('INVALID_VALUE', `${name} would have an entry without a value.`);
};

/** Adding to a value that is not there makes it, as its filter describes it (Entra). */
const addDescribed = (
  attribute: AttributeDefinition,
  stored: readonly Element[],
  change: ListChange,
  filter: ResolvedFilter,
): Element[] => {
  const described = change.op === 'add' && change.makesElement ? describedBy(filter) : undefined;
  if (described === undefined) throw noTarget(attribute.name);
  const made = changeElement(attribute.name, described, change);
  requireMeaning(attribute.name, [made], change);
  return withOnePrimary([...stored, made], new Set([made]));
};

const changeSelected = (
  attribute: AttributeDefinition,
  stored: readonly Element[],
  change: ListChange,
  filter: ResolvedFilter,
): Element[] => {
  const selected = stored.filter((element) => matches(element, filter));
  if (selected.length === 0) return addDescribed(attribute, stored, change, filter);
  const changed = new Map(selected.map((element) => [element, changeElement(attribute.name, element, change)]));
  requireMeaning(attribute.name, changed.values(), change);
  const result = stored.map((element) => changed.get(element) ?? element);
  return withOnePrimary(result, new Set(changed.values()));
};

const removeElements = (attribute: AttributeDefinition, stored: readonly Element[], change: ListChange): Element[] => {
  const { elements: filter, sub, values } = change;
  if (filter !== undefined) {
    if (sub === undefined) return stored.filter((element) => !matches(element, filter));
    return stored.map((element) =>
      matches(element, filter) ? changeElement(attribute.name, element, { ...change, values: [] }) : element,
    );
  }
  if (values.length === 0) return [];
  const fold = foldOnce();
  const isGiven = values.map((value) => sameEntry(attribute, asElement(attribute.name, value), fold));
  return stored.filter((element) => !isGiven.some((isSame) => isSame(element)));
};

/**
 * The elements of a multi-valued attribute after one change. Pure; the input is left as it is.
 *
 * Guaranteed of the result: at most one primary; `add` makes no second entry of the same value and type; no entry that
 * says only what kind of value it would be.
 *
 * @throws NO_TARGET when a change selects nothing and makes nothing; INVALID_VALUE; TOO_MANY
 * @see RFC 7644 §3.5.2.1, §3.5.2.2, §3.5.2.3
 */
export const changeList = (
  attribute: AttributeDefinition,
  current: readonly JsonValue[],
  change: ListChange,
): JsonValue[] => {
  const stored = current.map((element) => asElement(attribute.name, element));
  const next = ((): Element[] => {
    if (change.op === 'remove') return removeElements(attribute, stored, change);
    if (change.elements !== undefined) return changeSelected(attribute, stored, change, change.elements);
    const given = change.values.map((value) => asElement(attribute.name, value));
    return change.op === 'add' ? addElements(attribute, stored, given) : given;
  })();
  if (next.length > MAX_ELEMENTS)
    throw new AppError('TOO_MANY', `${attribute.name} has more than ${String(MAX_ELEMENTS)} values.`);
  return next.filter(isMeaningful);
};
