import { AppError } from '@sallyport/errors';

import {
  findAttribute,
  type AttributeDefinition,
  type ResourceDefinition,
  type SchemaDefinition,
} from './attribute.ts';
import { isArray, isObject, type JsonValue } from './json.ts';
import type { ListChange } from './list.ts';
import { MAX_GROUP_MEMBERS, readMemberIds, type MemberStep } from './members.ts';
import { readPatchRequest, type Op, type PatchOperation } from './patch-request.ts';
import { nameOf, resolvePath, type Target } from './path.ts';
import { readElements, readValue } from './values.ts';

export const MAX_MEMBER_CHANGES = 10_000;

/** Where a value goes: `[extension,] attribute [, part]`, canonical names from the schema only. */
export type Place = readonly [string, ...string[]];

/** One validated change. Order matters; nothing in it came from the request but values. */
export type PatchStep =
  | { readonly kind: 'set'; readonly place: Place; readonly value: JsonValue }
  | { readonly kind: 'unset'; readonly place: Place }
  | { readonly kind: 'list'; readonly attribute: AttributeDefinition; readonly change: ListChange }
  | { readonly kind: 'members'; readonly step: MemberStep };

const invalidSyntax = (detail: string): AppError => new AppError('INVALID_SYNTAX', detail);
const invalidValue = (name: string, why: string): AppError =>
  new AppError('INVALID_VALUE', `${name} ${why}.`, { fields: [{ pointer: `/${name}`, code: 'INVALID_VALUE' }] });
const immutable = (name: string, why = 'cannot be changed by a client'): AppError =>
  new AppError('MUTABILITY', `${name} ${why}.`);

/** Steps for one attribute of a resource; `remaining` is what is left of the member budget. */
class Normaliser {
  readonly steps: PatchStep[] = [];
  readonly #resource: ResourceDefinition;
  #memberBudget = MAX_MEMBER_CHANGES;

  constructor(resource: ResourceDefinition) {
    this.#resource = resource;
  }

  operation({ op, path, value }: PatchOperation): void {
    if (path === undefined) {
      this.#pathless(op, value);
      return;
    }
    const target = resolvePath(this.#resource, path);
    if (target.attribute === undefined) this.#extension(op, target.extension, value);
    else this.#target(op, target, value);
  }

  #pathless(op: Op, value: JsonValue | undefined): void {
    if (op === 'remove') throw new AppError('NO_TARGET', 'A remove needs a path.');
    if (!isObject(value)) throw invalidSyntax(`A ${op} without a path needs an object as its value.`);
    const entries = Object.entries(value);
    if (entries.length === 0) throw invalidSyntax(`A ${op} without a path names no attribute.`);
    for (const [key, item] of entries) {
      const target = resolvePath(this.#resource, key);
      if (target.attribute === undefined) this.#extension(op, target.extension, item);
      // Okta repeats the id of the group in every change: neither applied nor refused.
      else if (target.attribute.name !== 'id' && target.attribute.name !== 'schemas') this.#target(op, target, item);
    }
  }

  #extension(op: Op, extension: SchemaDefinition, value: JsonValue | undefined): void {
    if (op === 'remove') {
      for (const { name } of extension.attributes) this.steps.push({ kind: 'unset', place: [extension.id, name] });
      return;
    }
    if (!isObject(value)) throw invalidValue(extension.id, 'must be an object');
    for (const [key, item] of Object.entries(value)) {
      const target = resolvePath(this.#resource, `${extension.id}:${key}`);
      if (target.attribute === undefined) throw invalidValue(extension.id, 'has a key without a name');
      this.#target(op, target, item);
    }
  }

  #target(op: Op, target: Target, value: JsonValue | undefined): void {
    const { attribute, sub } = target;
    const name = nameOf(target);
    for (const { mutability } of [attribute, ...(sub === undefined ? [] : [sub])])
      if (mutability === 'readOnly') throw immutable(name);
    if (attribute.returned === 'never')
      throw immutable(name, 'is not kept by this service, so it cannot be changed here');
    if (op !== 'remove' && value === undefined) throw invalidSyntax(`${op} of ${name} needs a value.`);
    if (attribute.name === 'members') this.#members(op, target, value);
    else if (attribute.multiValued) this.#list(op, target, value);
    else this.#single(op, target, value);
  }

  #single(op: Op, target: Target, value: JsonValue | undefined): void {
    const { attribute, sub } = target;
    if (op === 'remove') this.#remove(target, value);
    else if (sub !== undefined) this.#set(placeOf(target), readValue(sub, nameOf(target), value ?? null));
    else if (attribute.type !== 'complex') this.#simple(target, value ?? null);
    else if (isObject(value)) this.#parts(target, placeOf(target), value);
    else this.#whole(target, value ?? null);
  }

  #remove(target: Target, value: JsonValue | undefined): void {
    const { attribute } = target;
    const name = nameOf(target);
    if (value !== undefined && value !== null) throw invalidSyntax(`remove of ${name} takes no value.`);
    if (attribute.required) throw immutable(name, 'is required and cannot be removed');
    if (attribute.type === 'boolean') throw invalidValue(name, 'must be true or false');
    this.#set(placeOf(target), undefined);
  }

  #simple(target: Target, value: JsonValue): void {
    const name = nameOf(target);
    const read = readValue(target.attribute, name, value);
    if (read === undefined && target.attribute.required) throw invalidValue(name, 'is required');
    this.#set(placeOf(target), read);
  }

  /** An object written as a bare value (a manager as an id, or ""): what hung on the old one must not survive. */
  #whole(target: Target, value: JsonValue): void {
    const place = placeOf(target);
    const read = readValue(target.attribute, nameOf(target), value);
    this.#set(place, undefined);
    if (isObject(read)) for (const [key, part] of Object.entries(read)) this.#set([...place, key], part);
  }

  /** Parts that are not named stay as they are (RFC 7644 §3.5.2.3). */
  #parts(target: Target, place: Place, value: JsonValue): void {
    const { attribute } = target;
    const entries = isObject(value) ? Object.entries(value) : [];
    if (entries.length === 0) throw invalidValue(nameOf(target), 'names no part');
    for (const [key, item] of entries) {
      const part = findAttribute(attribute.subAttributes ?? [], key);
      if (part === undefined) throw invalidValue(nameOf(target), `has no part "${key.slice(0, 100)}"`);
      // Directories send back what they read from us.
      if (part.mutability !== 'readOnly')
        this.#set([...place, part.name], readValue(part, `${nameOf(target)}.${part.name}`, item));
    }
  }

  #set(place: Place, value: JsonValue | undefined): void {
    this.steps.push(value === undefined ? { kind: 'unset', place } : { kind: 'set', place, value });
  }

  #list(op: Op, target: Target, value: JsonValue | undefined): void {
    const { attribute, elements, sub } = target;
    const name = nameOf(target);
    if (sub !== undefined && elements === undefined)
      throw new AppError(
        'INVALID_PATH',
        `${name} is a part of a list: say of which value, as in ${attribute.name}[…].`,
      );
    const values = listValues(op, target, value);
    this.steps.push({ kind: 'list', attribute, change: { op, elements, sub, values } });
  }

  #members(op: Op, { elements, sub }: Target, value: JsonValue | undefined): void {
    if (sub !== undefined) throw new AppError('INVALID_PATH', 'Members are changed as a whole, not in part.');
    const step = elements === undefined ? this.#listedMembers(op, value) : filteredMember(op, elements, value);
    // A replaced list has a limit of its own.
    if (step.kind === 'add' || step.kind === 'remove') this.#memberBudget -= step.ids.length;
    if (this.#memberBudget < 0)
      throw new AppError('TOO_MANY', `A request changes at most ${String(MAX_MEMBER_CHANGES)} members.`);
    this.steps.push({ kind: 'members', step });
  }

  #listedMembers(op: Op, value: JsonValue | undefined): MemberStep {
    if (op === 'remove' && value === undefined) return { kind: 'clear' };
    const ids = readMemberIds(value ?? null, op === 'replace' ? MAX_GROUP_MEMBERS : MAX_MEMBER_CHANGES);
    // Entra's Remove with a value means those members; a value that names nobody must never mean everybody.
    if (op === 'remove' && ids.length === 0) throw invalidValue('members', 'names nobody to remove');
    return { kind: op, ids };
  }
}

/** What the request says is there: neither absent, nor null, nor an empty list. */
const isGiven = (value: JsonValue | undefined): value is Exclude<JsonValue, null> =>
  value !== undefined && value !== null && !(isArray(value) && value.length === 0);

const removedValues = ({ attribute, elements }: Target, value: JsonValue | undefined): readonly JsonValue[] => {
  if (!isGiven(value)) {
    // Empty is not "all": only a remove that says nothing empties the list.
    if (elements === undefined && value !== undefined) throw invalidValue(attribute.name, 'names no value to remove');
    return [];
  }
  if (elements !== undefined) throw invalidSyntax(`remove of ${attribute.name} with a filter takes no value.`);
  return readElements(attribute, attribute.name, value);
};

const listValues = (op: Op, target: Target, value: JsonValue | undefined): readonly JsonValue[] => {
  const { attribute, elements, sub } = target;
  const name = nameOf(target);
  if (op === 'remove') return removedValues(target, value);
  if (elements !== undefined && sub !== undefined) {
    const read = readValue(sub, name, value ?? null);
    return read === undefined ? [] : [read];
  }
  const read = readElements(attribute, name, value ?? null);
  if (elements !== undefined && read.length !== 1) throw invalidValue(name, 'must be one object');
  return read;
};

const placeOf = ({ extension, attribute, sub }: Target): Place => {
  const place: Place = extension === undefined ? [attribute.name] : [extension.id, attribute.name];
  return sub === undefined ? place : [...place, sub.name];
};

const filteredMember = (
  op: Op,
  elements: NonNullable<Target['elements']>,
  value: JsonValue | undefined,
): MemberStep => {
  const [test, ...more] = elements;
  if (op !== 'remove' || (value !== undefined && value !== null))
    throw new AppError('INVALID_PATH', 'A filter on members can only remove.');
  if (test?.attribute.name !== 'value' || typeof test.value !== 'string' || more.length > 0)
    throw new AppError('INVALID_FILTER', 'Members are selected by value eq "…".');
  return { kind: 'remove', ids: [test.value] };
};

/**
 * Turns the body of a PATCH, in any documented dialect, into validated steps: every name resolved by own properties of
 * the schema, `op` and booleans canonical, pathless and dotted keys expanded, members routed apart.
 *
 * @throws INVALID_SYNTAX, INVALID_PATH, INVALID_FILTER, INVALID_VALUE, MUTABILITY, NO_TARGET, TOO_MANY
 * @see RFC 7644 §3.5.2
 */
export const normalisePatch = (resource: ResourceDefinition, body: unknown): readonly PatchStep[] => {
  const normaliser = new Normaliser(resource);
  for (const operation of readPatchRequest(body)) normaliser.operation(operation);
  return normaliser.steps;
};
