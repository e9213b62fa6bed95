import { AppError } from '@sallyport/errors';

import type { Dialect } from '../profiles/index.ts';
import { findAttribute, type ResourceDefinition, type SchemaDefinition } from './attribute.ts';
import type { ResolvedFilter } from './filter/index.ts';
import { isArray, isObject, type JsonObject, type JsonValue } from './json.ts';
import { MemberSteps } from './normalise-members.ts';
import { readPatchRequest, type Op, type PatchOperation } from './patch-request.ts';
import { overlaps, placeOf, type PatchStep, type Place } from './patch-step.ts';
import { nameOf, resolvePath, type ExtensionTarget, type Target } from './path.ts';
import { checkSchemas } from './resource.ts';
import { readElements, readValue } from './values.ts';

const invalidSyntax = (detail: string): AppError => new AppError('INVALID_SYNTAX', detail);
const invalidPath = (detail: string): AppError => new AppError('INVALID_PATH', detail);
const invalidValue = (name: string, why: string): AppError =>
  new AppError('INVALID_VALUE', `${name} ${why}.`, { fields: [{ pointer: `/${name}`, code: 'INVALID_VALUE' }] });
const immutable = (name: string, why = 'cannot be changed by a client'): AppError =>
  new AppError('MUTABILITY', `${name} ${why}.`);

/** Each is evaluated for every value of the list, all in one go. */
const MAX_PATH_COMPARISONS = 20;
const MAX_COMPARISONS = 2_000;

const sizeOf = (filter: ResolvedFilter | undefined): number => {
  if (filter === undefined) return 0;
  if (filter.kind === 'not') return sizeOf(filter.operand);
  return filter.kind === 'and' || filter.kind === 'or'
    ? filter.operands.reduce((sum, operand) => sum + sizeOf(operand), 0)
    : 1;
};

/** The part of a reference that names what is referred to; the other parts describe it. */
const IDENTIFYING = 'value';

/** The steps of the operations of one request, in order. */
class Normaliser {
  readonly steps: PatchStep[] = [];
  readonly #resource: ResourceDefinition;
  readonly #dialect: Dialect;
  readonly #members: MemberSteps;
  /** What the operation at hand has named so far. */
  #named: Place[] = [];
  #comparisons = 0;

  constructor(resource: ResourceDefinition, dialect: Dialect) {
    this.#resource = resource;
    this.#dialect = dialect;
    this.#members = new MemberSteps(dialect);
  }

  operation({ op, path, value }: PatchOperation): void {
    this.#named = [];
    if (path === undefined) {
      this.#pathless(op, value);
      return;
    }
    const target = this.#resolve(path);
    if (target.attribute === undefined) this.#extension(op, target.extension, value);
    else this.#target(op, target, value);
  }

  #resolve(path: string): Target | ExtensionTarget {
    const target = resolvePath(this.#resource, path, { allowBareWords: this.#dialect.bareWordFilters });
    const size = target.attribute === undefined ? 0 : sizeOf(target.elements);
    if (size > MAX_PATH_COMPARISONS)
      throw new AppError('INVALID_FILTER', `A path has at most ${String(MAX_PATH_COMPARISONS)} comparisons.`);
    this.#comparisons += size;
    if (this.#comparisons > MAX_COMPARISONS)
      throw new AppError('TOO_MANY', `A request has at most ${String(MAX_COMPARISONS)} comparisons in its paths.`);
    return target;
  }

  #pathless(op: Op, value: JsonValue | undefined): void {
    if (op === 'remove') throw new AppError('NO_TARGET', 'A remove needs a path.');
    if (!this.#dialect.pathlessOps) throw invalidSyntax(`A ${op} needs a path.`);
    if (!isObject(value)) throw invalidSyntax(`A ${op} without a path needs an object as its value.`);
    const entries = Object.entries(value);
    if (entries.length === 0) throw invalidSyntax(`A ${op} without a path names no attribute.`);
    for (const [key, item] of entries) this.#key(op, key, item);
    if (this.#named.length === 0) throw invalidSyntax(`A ${op} without a path names nothing to change.`);
  }

  #key(op: Op, key: string, item: JsonValue): void {
    const target = this.#resolve(key);
    if (target.attribute === undefined) {
      this.#extension(op, target.extension, item);
      return;
    }
    const isDotted = target.sub !== undefined || target.extension !== undefined || target.elements !== undefined;
    if (isDotted && !this.#dialect.dottedKeys) throw invalidPath(`"${key.slice(0, 100)}" is a path, not an attribute.`);
    // Okta repeats the id of the group in every change: neither applied nor refused.
    if (target.attribute.name === 'id' && this.#dialect.repeatedId) return;
    // They follow from the attributes, but what they say has to be true.
    // Two filters on one list select different elements.
    if (target.elements !== undefined) this.#claim([target.attribute.name, key.toLowerCase()]);
    if (target.attribute.name === 'schemas') checkSchemas(this.#resource, item, this.#dialect);
    else this.#target(op, target, item);
  }

  #extension(op: Op, extension: SchemaDefinition, value: JsonValue | undefined): void {
    if (op === 'remove' || value === null) {
      if (value !== undefined && value !== null) throw invalidSyntax(`remove of ${extension.id} takes no value.`);
      for (const { name } of extension.attributes) this.#step({ kind: 'unset', place: [extension.id, name] });
      return;
    }
    if (!isObject(value)) throw invalidValue(extension.id, 'must be an object');
    const entries = Object.entries(value);
    if (entries.length === 0) throw invalidValue(extension.id, 'names no attribute');
    for (const [key, item] of entries) {
      const target = this.#resolve(`${extension.id}:${key}`);
      if (target.attribute === undefined) throw invalidValue(extension.id, 'has a key without a name');
      if (target.sub !== undefined && !this.#dialect.dottedKeys)
        throw invalidPath(`"${key.slice(0, 100)}" is a path, not an attribute.`);
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
    if (attribute.name === 'members') {
      this.#claim([attribute.name]);
      this.steps.push({ kind: 'members', step: this.#members.read(op, target, value) });
    } else if (attribute.multiValued) this.#list(op, target, value);
    else this.#single(op, target, value);
  }

  #single(op: Op, target: Target, value: JsonValue | undefined): void {
    const { attribute, sub } = target;
    if (op === 'remove') this.#remove(target, value);
    else if (sub !== undefined) this.#part(target, sub.name, value ?? null);
    else if (attribute.type !== 'complex') this.#simple(target, value ?? null);
    else this.#complex(target, value ?? null);
  }

  #remove(target: Target, value: JsonValue | undefined): void {
    const { attribute, sub } = target;
    const name = nameOf(target);
    if (value !== undefined && value !== null) throw invalidSyntax(`remove of ${name} takes no value.`);
    if (attribute.required) throw immutable(name, 'is required and cannot be removed');
    if (attribute.type === 'boolean') throw invalidValue(name, 'must be true or false');
    if (sub === undefined) this.#step({ kind: 'unset', place: placeOf(target) });
    else this.#part(target, sub.name, null);
  }

  #simple(target: Target, value: JsonValue): void {
    const name = nameOf(target);
    const read = readValue(target.attribute, name, value, this.#dialect);
    if (read === undefined && target.attribute.required) throw invalidValue(name, 'is required');
    this.#put(placeOf(target), read);
  }

  #complex(target: Target, value: JsonValue): void {
    if (isObject(value)) {
      this.#parts(target, value);
      return;
    }
    const read = readValue(target.attribute, nameOf(target), value, this.#dialect);
    if (read === undefined) this.#step({ kind: 'unset', place: placeOf(target) });
    else if (isObject(read)) this.#parts(target, read);
  }

  /** Parts that are not named stay as they are (RFC 7644 §3.5.2.3). */
  #parts(target: Target, value: JsonObject): void {
    const { attribute } = target;
    const entries = Object.entries(value);
    if (entries.length === 0) throw invalidValue(nameOf(target), 'names no part');
    const parts = entries.map(([key, item]) => {
      const part = findAttribute(attribute.subAttributes ?? [], key);
      if (part === undefined) throw invalidValue(nameOf(target), `has no part "${key.slice(0, 100)}"`);
      return { part, item };
    });
    // What refers comes before what describes it: a description that is given belongs to the new value.
    parts.sort((left, right) => Number(right.part.name === IDENTIFYING) - Number(left.part.name === IDENTIFYING));
    // Directories send back what they read from us.
    const writable = parts.filter(({ part }) => part.mutability !== 'readOnly');
    if (writable.length === 0) throw immutable(nameOf(target));
    for (const { part, item } of writable) this.#part(target, part.name, item);
  }

  /** One part of a complex attribute; null unassigns it. */
  #part(target: Target, name: string, value: JsonValue): void {
    const { attribute } = target;
    const parts = attribute.subAttributes ?? [];
    const part = findAttribute(parts, name);
    if (part === undefined) throw invalidValue(nameOf(target), `has no part "${name}"`);
    const read = readValue(part, nameOf({ ...target, sub: part }), value, this.#dialect);
    const describedBy = name === IDENTIFYING ? parts.map((other) => other.name).filter((other) => other !== name) : [];
    this.#put(placeOf({ ...target, sub: part }), read, describedBy);
  }

  #put(place: Place, value: JsonValue | undefined, describedBy: readonly string[] = []): void {
    const more = describedBy.length === 0 ? {} : { describedBy };
    this.#step(value === undefined ? { kind: 'unset', place, ...more } : { kind: 'set', place, value, ...more });
  }

  #step(step: Extract<PatchStep, { kind: 'set' | 'unset' }>): void {
    this.#claim(step.place);
    this.steps.push(step);
  }

  /** Names in any case and dotted keys can say one thing twice: whichever counted, the other would be lost. */
  #claim(place: Place): void {
    if (this.#named.some((named) => overlaps(named, place) || overlaps(place, named)))
      throw invalidSyntax(`An operation names ${place.join('.')} twice.`);
    this.#named.push(place);
  }

  #list(op: Op, target: Target, value: JsonValue | undefined): void {
    const { attribute, elements, sub } = target;
    if (elements === undefined) this.#claim([attribute.name]);
    if (sub !== undefined && elements === undefined)
      throw invalidPath(`${nameOf(target)} is a part of a list: say of which value, as in ${attribute.name}[…].`);
    if (elements !== undefined && sub === undefined && !this.#dialect.wholeElements)
      throw invalidPath(`${attribute.name}[…] is a whole element: say which part of it.`);
    const values = listValues({ op, target, value, dialect: this.#dialect });
    const makesElement = this.#dialect.addMakesElement;
    this.steps.push({ kind: 'list', attribute, change: { op, elements, sub, values, makesElement } });
  }
}

interface ListOperation {
  readonly op: Op;
  readonly target: Target;
  readonly value: JsonValue | undefined;
  readonly dialect: Dialect;
}

/** What the request says is there: neither absent, nor null, nor an empty list. */
const isGiven = (value: JsonValue | undefined): value is Exclude<JsonValue, null> =>
  value !== undefined && value !== null && !(isArray(value) && value.length === 0);

const removedValues = ({ target, value, dialect }: ListOperation): readonly JsonValue[] => {
  const { attribute, elements } = target;
  if (!isGiven(value)) {
    // Empty is not "all": only a remove that says nothing empties the list.
    if (elements === undefined && value !== undefined) throw invalidValue(attribute.name, 'names no value to remove');
    return [];
  }
  if (elements !== undefined || !dialect.removeWithValue)
    throw invalidSyntax(`remove of ${attribute.name} takes no value: say which in the path.`);
  const values = readElements(attribute, attribute.name, value, dialect);
  if (values.length === 0) throw invalidValue(attribute.name, 'names no value to remove');
  return values;
};

const listValues = (operation: ListOperation): readonly JsonValue[] => {
  const { op, target, value, dialect } = operation;
  const { attribute, elements, sub } = target;
  const name = nameOf(target);
  if (op === 'remove') return removedValues(operation);
  if (elements !== undefined && sub !== undefined) {
    const read = readValue(sub, name, value ?? null, dialect);
    return read === undefined ? [] : [read];
  }
  const read = readElements(attribute, name, value ?? null, dialect);
  if (elements !== undefined && read.length !== 1) throw invalidValue(name, 'must be one object');
  return read;
};

/**
 * Turns the body of a PATCH into validated steps: every name resolved by own properties of the schema, `op` and
 * booleans canonical, pathless and dotted keys expanded, members routed apart. What the dialect does not have is
 * refused.
 *
 * @throws INVALID_SYNTAX, INVALID_PATH, INVALID_FILTER, INVALID_VALUE, MUTABILITY, NO_TARGET, TOO_MANY
 * @see RFC 7644 §3.5.2
 */
export const normalisePatch = (resource: ResourceDefinition, body: unknown, dialect: Dialect): readonly PatchStep[] => {
  const normaliser = new Normaliser(resource, dialect);
  for (const operation of readPatchRequest(body, dialect)) normaliser.operation(operation);
  return normaliser.steps;
};
