import { AppError } from '@sallyport/errors';

import { findAttribute, type AttributeDefinition } from './attribute.ts';
import { isObject, sameJson, type Document, type JsonValue } from './json.ts';
import type { ElementTest } from './path.ts';
import { foldCase } from '../../accounts/index.ts';
import { isMeaningful, MAX_ELEMENTS } from './values.ts';

/** A change to a multi-valued attribute; `elements` selects, `sub` narrows to a part of the selected ones. */
export interface ListChange {
  readonly op: 'add' | 'replace' | 'remove';
  readonly elements: readonly ElementTest[] | undefined;
  readonly sub: AttributeDefinition | undefined;
  /** Elements to add, to put in place or to remove; the part's value when `sub` is set. Undefined: unassigned. */
  readonly values: readonly JsonValue[];
}

type Element = Document;

const same = (attribute: AttributeDefinition | undefined, left: JsonValue | undefined, right: JsonValue): boolean =>
  typeof left === 'string' && typeof right === 'string' && attribute?.caseExact === false
    ? foldCase(left) === foldCase(right)
    : sameJson(left, right);

const passes = (element: Element, tests: readonly ElementTest[]): boolean =>
  tests.every(({ attribute, value }) =>
    // An absent "primary" is a primary that is false (RFC 7643 §2.4).
    attribute.type === 'boolean'
      ? (element[attribute.name] ?? false) === value
      : same(attribute, element[attribute.name], value),
  );

/** Two elements mean the same entry when value and type agree (RFC 7643 §2.4). */
const isSameEntry = (attribute: AttributeDefinition, stored: Element, given: Element): boolean => {
  const keys = ['value', 'type'].filter((key) => Object.hasOwn(given, key));
  const identifying = Object.hasOwn(given, 'value') ? keys : Object.keys(given);
  return identifying.every((key) =>
    same(findAttribute(attribute.subAttributes ?? [], key), stored[key], given[key] ?? null),
  );
};

const asElement = (name: string, value: JsonValue | undefined): Element => {
  if (!isObject(value)) throw new AppError('INVALID_VALUE', `A value of ${name} must be an object.`);
  return { ...value };
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

const addElements = (
  attribute: AttributeDefinition,
  stored: readonly Element[],
  given: readonly Element[],
): Element[] => {
  const result = [...stored];
  const touched = new Set<Element>();
  for (const element of given) {
    const at = result.findIndex((candidate) => isSameEntry(attribute, candidate, element));
    const merged = at === -1 ? element : { ...result[at], ...element };
    if (at === -1) result.push(merged);
    else result[at] = merged;
    touched.add(merged);
  }
  return withOnePrimary(result, touched);
};

const fromTests = (tests: readonly ElementTest[]): Element =>
  Object.fromEntries(tests.map(({ attribute, value }) => [attribute.name, value]));

const noTarget = (name: string): AppError => new AppError('NO_TARGET', `No value of ${name} matches the filter.`);

const changeSelected = (
  attribute: AttributeDefinition,
  stored: readonly Element[],
  change: ListChange,
  tests: readonly ElementTest[],
): Element[] => {
  const selected = stored.filter((element) => passes(element, tests));
  if (selected.length === 0 && change.op === 'replace') throw noTarget(attribute.name);
  // Adding to a value that is not there makes it, as its filter describes it (Entra).
  const changed = new Map(
    (selected.length === 0 ? [fromTests(tests)] : selected).map((element) => [
      element,
      changeElement(attribute.name, element, change),
    ]),
  );
  const result = stored.map((element) => changed.get(element) ?? element);
  return withOnePrimary(selected.length === 0 ? [...result, ...changed.values()] : result, new Set(changed.values()));
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

const removeElements = (attribute: AttributeDefinition, stored: readonly Element[], change: ListChange): Element[] => {
  const { elements: tests, sub, values } = change;
  if (tests !== undefined) {
    if (sub === undefined) return stored.filter((element) => !passes(element, tests));
    return stored.map((element) =>
      passes(element, tests) ? changeElement(attribute.name, element, { ...change, values: [] }) : element,
    );
  }
  if (values.length === 0) return [];
  const given = values.map((value) => asElement(attribute.name, value));
  return stored.filter((element) => !given.some((candidate) => isSameEntry(attribute, element, candidate)));
};

/**
 * The elements of a multi-valued attribute after one change. Pure; the input is left as it is.
 *
 * Guaranteed of the result: at most one primary; no two entries with the same value and type added by us; no entry that
 * says only what kind of value it would be.
 *
 * @throws NO_TARGET when a replace selects nothing; INVALID_VALUE; TOO_MANY
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
