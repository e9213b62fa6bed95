import { AppError } from '@sallyport/errors';

import { findAttribute, type AttributeDefinition, type ResourceDefinition, type SchemaDefinition } from './attribute.ts';
import { isArray, isObject, type JsonValue } from './json.ts';
import type { ListChange } from './list.ts';
import { readMemberIds, type MemberStep } from './members.ts';
import { nameOf, resolvePath, type Target } from './path.ts';
import { isMeaningful, readElements, readValue } from './values.ts';

export const PATCH_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
export const MAX_OPERATIONS = 1_000;
export const MAX_MEMBER_CHANGES = 10_000;

/** Where a value goes: `[extension,] attribute [, part]`, canonical names from the schema only. */
export type Place = readonly [string, ...string[]];

/** One validated change. Order matters; nothing in it came from the request but values. */
export type PatchStep =
  | { readonly kind: 'set'; readonly place: Place; readonly value: JsonValue }
  | { readonly kind: 'unset'; readonly place: Place }
  | { readonly kind: 'list'; readonly attribute: AttributeDefinition; readonly change: ListChange }
  | { readonly kind: 'members'; readonly step: MemberStep };

type Op = ListChange['op'];

const OPS: ReadonlyMap<string, Op> = new Map([
  ['add', 'add'],
  ['replace', 'replace'],
  ['remove', 'remove'],
]);

const invalidSyntax = (detail: string): AppError => new AppError('INVALID_SYNTAX', detail);
const invalidValue = (name: string, why: string): AppError =>
  new AppError('INVALID_VALUE', `${name} ${why}.`, { fields: [{ pointer: `/${name}`, code: 'INVALID_VALUE' }] });
const immutable = (name: string, why = 'cannot be changed by a client'): AppError =>
  new AppError('MUTABILITY', `${name} ${why}.`);

interface RawOperation {
  readonly op: Op;
  readonly path: string | undefined;
  /** Undefined when the operation has none; null is a value. */
  readonly value: JsonValue | undefined;
}

const readOperation = (raw: JsonValue): RawOperation => {
  if (!isObject(raw)) throw invalidSyntax('An operation must be an object.');
  const fields = new Map<string, JsonValue>();
  for (const [key, value] of Object.entries(raw)) {
    const name = key.toLowerCase();
    if (name !== 'op' && name !== 'path' && name !== 'value')
      throw invalidSyntax(`An operation has no part "${key.slice(0, 100)}".`);
    if (fields.has(name)) throw invalidSyntax(`An operation names its ${name} twice.`);
    fields.set(name, value);
  }
  const word = fields.get('op');
  const op = typeof word === 'string' ? OPS.get(word.toLowerCase()) : undefined;
  if (op === undefined) throw invalidSyntax('op must be add, replace or remove.');
  const path = fields.get('path');
  if (path !== undefined && typeof path !== 'string') throw new AppError('INVALID_PATH', 'path must be a string.');
  if (path?.trim() === '') throw new AppError('INVALID_PATH', 'path is empty.');
  return { op, path, value: fields.get('value') };
};

const readEnvelope = (body: unknown): readonly JsonValue[] => {
  if (!isObject(body)) throw invalidSyntax('The body must be a JSON object.');
  let operations: JsonValue | undefined;
  for (const [key, value] of Object.entries(body)) {
    const name = key.toLowerCase();
    if (name === 'schemas') {
      const named = isArray(value) && value.some((urn) => typeof urn === 'string' && urn.toLowerCase() === PATCH_SCHEMA.toLowerCase());
      if (!named) throw invalidSyntax(`schemas must contain ${PATCH_SCHEMA}.`);
    } else if (name === 'operations' && operations === undefined) operations = value;
    else throw invalidSyntax(`A PATCH request has no part "${key.slice(0, 100)}".`);
  }
  if (!isArray(operations) || operations.length === 0) throw invalidSyntax('Operations must be a list that is not empty.');
  if (operations.length > MAX_OPERATIONS)
    throw new AppError('TOO_MANY', `A request has at most ${String(MAX_OPERATIONS)} operations.`);
  return operations;
};

/** Steps for one attribute of a resource; `remaining` is what is left of the member budget. */
class Normaliser {
  readonly steps: PatchStep[] = [];
  readonly #resource: ResourceDefinition;
  #memberBudget = MAX_MEMBER_CHANGES;

  constructor(resource: ResourceDefinition) {
    this.#resource = resource;
  }

  operation({ op, path, value }: RawOperation): void {
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
      const [name = '', part, ...more] = key.split('.');
      const attribute = findAttribute(extension.attributes, name);
      const sub = part === undefined ? undefined : findAttribute(attribute?.subAttributes ?? [], part);
      if (attribute === undefined || more.length > 0 || (part !== undefined && sub === undefined))
        throw new AppError('INVALID_PATH', `${extension.id} has no attribute "${key.slice(0, 100)}".`);
      this.#target(op, { extension, attribute, elements: undefined, sub }, item);
    }
  }

  #target(op: Op, target: Target, value: JsonValue | undefined): void {
    const { attribute, sub } = target;
    const name = nameOf(target);
    for (const { mutability } of [attribute, ...(sub === undefined ? [] : [sub])])
      if (mutability === 'readOnly') throw immutable(name);
    if (attribute.returned === 'never') throw immutable(name, 'is not kept by this service, so it cannot be changed here');
    if (op !== 'remove' && value === undefined) throw invalidSyntax(`${op} of ${name} needs a value.`);
    if (attribute.name === 'members') this.#members(op, target, value);
    else if (attribute.multiValued) this.#list(op, target, value);
    else this.#single(op, target, value);
  }

  #single(op: Op, target: Target, value: JsonValue | undefined): void {
    const { extension, attribute, sub } = target;
    const name = nameOf(target);
    const place: Place =
      extension === undefined ? [attribute.name] : [extension.id, attribute.name];
    if (op === 'remove') {
      if (value !== undefined && value !== null) throw invalidSyntax(`remove of ${name} takes no value.`);
      if (attribute.required) throw immutable(name, 'is required and cannot be removed');
      if (attribute.type === 'boolean') throw invalidValue(name, 'must be true or false');
      this.steps.push({ kind: 'unset', place: sub === undefined ? place : [...place, sub.name] });
      return;
    }
    if (sub === undefined && attribute.type === 'complex' && isObject(value)) {
      this.#parts(target, place, value);
      return;
    }
    const read = readValue(sub ?? attribute, name, value ?? null);
    if (read === undefined && attribute.required) throw invalidValue(name, 'is required');
    if (attribute.type === 'complex' && sub === undefined) {
      // A whole object written as a bare value: what hung on the old one must not survive.
      this.steps.push({ kind: 'unset', place });
      if (isObject(read)) for (const [key, part] of Object.entries(read)) this.#set([...place, key], part);
      return;
    }
    this.#set(sub === undefined ? place : [...place, sub.name], read);
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
      throw new AppError('INVALID_PATH', `${name} is a part of a list: say of which value, as in ${attribute.name}[…].`);
    const values = this.#listValues(op, target, value);
    this.steps.push({ kind: 'list', attribute, change: { op, elements, sub, values } });
  }

  #listValues(op: Op, target: Target, value: JsonValue | undefined): readonly JsonValue[] {
    const { attribute, elements, sub } = target;
    const name = nameOf(target);
    const given = value !== undefined && value !== null && !(isArray(value) && value.length === 0);
    if (elements === undefined) {
      if (op === 'remove' && !given && value !== undefined) throw invalidValue(name, 'names no value to remove');
      return op === 'remove' && !given ? [] : readElements(attribute, name, value ?? null);
    }
    if (op === 'remove') {
      if (given) throw invalidSyntax(`remove of ${name} with a filter takes no value.`);
      return [];
    }
    if (sub !== undefined) {
      const read = readValue(sub, name, value ?? null);
      return read === undefined ? [] : [read];
    }
    const read = readElements(attribute, name, value ?? null);
    if (read.length !== 1 || !read.every(isMeaningful)) throw invalidValue(name, 'must be one object');
    return read;
  }

  #members(op: Op, { elements, sub }: Target, value: JsonValue | undefined): void {
    if (sub !== undefined) throw new AppError('INVALID_PATH', 'Members are changed as a whole, not in part.');
    const step = elements === undefined ? this.#listedMembers(op, value) : filteredMember(op, elements, value);
    if (step.kind !== 'clear') this.#memberBudget -= step.ids.length;
    if (this.#memberBudget < 0)
      throw new AppError('TOO_MANY', `A request changes at most ${String(MAX_MEMBER_CHANGES)} members.`);
    this.steps.push({ kind: 'members', step });
  }

  #listedMembers(op: Op, value: JsonValue | undefined): MemberStep {
    if (op === 'remove' && value === undefined) return { kind: 'clear' };
    const ids = readMemberIds(value ?? null, MAX_MEMBER_CHANGES);
    // Entra's Remove with a value means those members; a value that names nobody must never mean everybody.
    if (op === 'remove' && ids.length === 0) throw invalidValue('members', 'names nobody to remove');
    return { kind: op, ids };
  }
}

const filteredMember = (op: Op, elements: NonNullable<Target['elements']>, value: JsonValue | undefined): MemberStep => {
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
  for (const raw of readEnvelope(body)) normaliser.operation(readOperation(raw));
  return normaliser.steps;
};
