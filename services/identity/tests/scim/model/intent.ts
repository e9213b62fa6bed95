import { ENTERPRISE, equal, isObject, Refusal, sameText, type Doc, type Json, type ListName } from './vocabulary.ts';

/** `[attribute]`, `[attribute, part]`, or with the enterprise schema in front. */
export type Place = readonly [string, ...string[]];
export type Test = readonly [part: string, value: string | boolean];

/** What one operation means, whatever dialect it is written in. */
export type Intent =
  | { readonly do: 'set'; readonly place: Place; readonly value: string | boolean }
  | { readonly do: 'unset'; readonly place: Place }
  | { readonly do: 'manager'; readonly id: string | undefined }
  | { readonly do: 'list-add' | 'list-put' | 'list-take'; readonly list: ListName; readonly elements: readonly Doc[] }
  | {
      readonly do: 'where';
      readonly op: 'add' | 'replace' | 'remove';
      readonly list: ListName;
      readonly tests: readonly Test[];
      /** A part of the chosen elements, or the elements themselves. */
      readonly part: string | undefined;
      /** Undefined: unassigned. */
      readonly value: string | boolean | Doc | undefined;
    }
  | { readonly do: 'members'; readonly op: 'add' | 'replace' | 'remove'; readonly ids: readonly string[] }
  | { readonly do: 'refuse'; readonly words: readonly string[] };

const setAt = (doc: Doc, [key, ...rest]: readonly string[], value: Json | undefined): void => {
  if (key === undefined) return;
  if (rest.length === 0) {
    if (value === undefined) delete doc[key];
    else doc[key] = value;
    return;
  }
  const inner = doc[key];
  const next = isObject(inner) ? inner : {};
  setAt(next, rest, value);
  // An object that says nothing is unassigned (RFC 7643 §2.5).
  if (Object.keys(next).length === 0) delete doc[key];
  else doc[key] = next;
};

/** Absent "primary" is false (RFC 7643 §2.4). */
const partIs = (list: ListName, element: Doc, [part, wanted]: Test): boolean => {
  const value = element[part];
  if (typeof wanted === 'boolean') return (value ?? false) === wanted;
  return typeof value === 'string' && sameText(`${list}.${part}`, value, wanted);
};

/** The same entry: equal value, and equal type where one is given (RFC 7643 §2.4); addresses: every part given. */
const isEntry = (list: ListName, given: Doc, stored: Doc): boolean => {
  const parts = Object.keys(given).filter((part) => !('value' in given) || part === 'value' || part === 'type');
  return parts.every((part) => {
    const wanted = given[part];
    const value = stored[part];
    if (typeof wanted === 'string') return typeof value === 'string' && sameText(`${list}.${part}`, value, wanted);
    return equal(value, wanted);
  });
};

/** Has a value of its own; what kind of value it would be is none. */
const hasValue = (list: ListName, element: Doc): boolean =>
  list === 'addresses'
    ? Object.keys(element).some((part) => part !== 'type' && part !== 'primary')
    : Object.hasOwn(element, 'value');

/** Setting a primary clears the others (RFC 7644 §3.5.2); two set at once contradict each other. */
const keepOnePrimary = (elements: readonly Doc[], touched: ReadonlySet<Doc>): Doc[] => {
  const chosen = elements.filter((element) => touched.has(element) && element['primary'] === true);
  if (chosen.length > 1) throw new Refusal('invalidValue');
  if (chosen.length === 0) return [...elements];
  return elements.map((element) =>
    element['primary'] === true && element !== chosen[0] ? { ...element, primary: false } : element,
  );
};

const addTo = (list: ListName, stored: readonly Doc[], given: readonly Doc[]): Doc[] => {
  const result = [...stored];
  const touched = new Set<Doc>();
  for (const element of given) {
    const at = result.findIndex((candidate) => isEntry(list, element, candidate));
    const merged = at === -1 ? { ...element } : { ...result[at], ...element };
    if (at === -1) result.push(merged);
    else result[at] = merged;
    touched.add(merged);
  }
  return keepOnePrimary(result, touched);
};

const changed = (intent: Extract<Intent, { do: 'where' }>, element: Doc): Doc => {
  const { op, part, value } = intent;
  if (part !== undefined) {
    const next = { ...element };
    setAt(next, [part], op === 'remove' || isObject(value) ? undefined : value);
    return next;
  }
  const given = isObject(value) ? value : {};
  return op === 'replace' ? { ...given } : { ...element, ...given };
};

const changeWhere = (intent: Extract<Intent, { do: 'where' }>, stored: readonly Doc[]): Doc[] => {
  const { op, list, tests, part } = intent;
  const chosen = stored.filter((element) => tests.every((test) => partIs(list, element, test)));
  if (op === 'remove' && part === undefined) return stored.filter((element) => !chosen.includes(element));
  if (chosen.length === 0) {
    if (op === 'remove') return [...stored];
    if (op === 'replace') throw new Refusal('noTarget');
    // What is added to is made, as its filter describes it (Entra; RFC 7644 §3.5.2.1).
    const made = changed(intent, Object.fromEntries(tests));
    if (!hasValue(list, made)) {
      if (intent.value === undefined) return [...stored];
      throw new Refusal('noTarget', 'invalidValue');
    }
    return keepOnePrimary([...stored, made], new Set([made]));
  }
  const touched = new Set<Doc>();
  const result = stored.map((element) => {
    if (!chosen.includes(element)) return element;
    const next = changed(intent, element);
    touched.add(next);
    return next;
  });
  return keepOnePrimary(result, touched);
};

const changeList = (list: ListName, stored: readonly Doc[], intent: Intent): Doc[] => {
  if (intent.do === 'where') return changeWhere(intent, stored);
  if (intent.do === 'list-put') return intent.elements.map((element) => ({ ...element }));
  if (intent.do === 'list-add') return addTo(list, stored, intent.elements);
  if (intent.do === 'list-take')
    return stored.filter((element) => !intent.elements.some((given) => isEntry(list, given, element)));
  return [...stored];
};

const listOf = (doc: Doc, list: string): Doc[] => {
  const value = doc[list];
  return Array.isArray(value) ? value.filter(isObject) : [];
};

/**
 * Does to a document in place what an intent means; `members` is the group's own business.
 *
 * @throws Refusal
 */
export const perform = (doc: Doc, intent: Intent): void => {
  switch (intent.do) {
    case 'set':
      setAt(doc, intent.place, intent.value);
      return;
    case 'unset':
      setAt(doc, intent.place, undefined);
      return;
    case 'manager':
      setAt(doc, [ENTERPRISE, 'manager'], intent.id === undefined ? undefined : { value: intent.id });
      return;
    case 'refuse':
      throw new Refusal(...intent.words);
    case 'members':
      return;
    case 'list-add':
    case 'list-put':
    case 'list-take':
    case 'where': {
      const next = changeList(intent.list, listOf(doc, intent.list), intent).filter((element) =>
        hasValue(intent.list, element),
      );
      setAt(doc, [intent.list], next.length === 0 ? undefined : next);
    }
  }
};
