import { AppError } from '@sallyport/errors';

import type { Dialect } from '../profiles/index.ts';
import {
  findAttribute,
  type AttributeDefinition,
  type ResourceDefinition,
  type SchemaDefinition,
} from './attribute.ts';
import { isArray, isObject, sameJson, type Document, type JsonObject, type JsonValue } from './json.ts';
import { MAX_GROUP_MEMBERS, readMemberIds } from './members.ts';
import { resolvePath } from './path.ts';
import { readValue } from './values.ts';

/** A resource as a client sent it: canonical names and types, nothing the client may not write. */
export interface ResourceInput {
  readonly document: Document;
  /** Of a group; undefined when the request says nothing about members. */
  readonly members: readonly string[] | undefined;
}

const invalidSyntax = (detail: string): AppError => new AppError('INVALID_SYNTAX', detail);

/** @throws INVALID_SYNTAX when `schemas` is no list of schemas this resource has, its core schema among them */
export const checkSchemas = (resource: ResourceDefinition, value: JsonValue, dialect: Dialect): void => {
  const tolerated = dialect.toleratedSchemas ? resource.toleratedSchemas : [];
  const known = [resource.core.id, ...resource.extensions.map(({ id }) => id), ...tolerated];
  const urns = isArray(value) ? value : [];
  for (const urn of urns) {
    if (typeof urn !== 'string' || !known.some((id) => id.toLowerCase() === urn.toLowerCase()))
      throw invalidSyntax(`schemas names a schema that ${resource.name} does not have.`);
  }
  if (!urns.some((urn) => typeof urn === 'string' && urn.toLowerCase() === resource.core.id.toLowerCase()))
    throw invalidSyntax(`schemas must contain ${resource.core.id}.`);
};

const put = (document: Document, name: string, value: JsonValue | undefined): void => {
  if (Object.hasOwn(document, name)) throw invalidSyntax(`"${name}" is given twice.`);
  if (value !== undefined) document[name] = value;
};

const readExtension = (schema: SchemaDefinition, value: JsonValue, dialect: Dialect): Document | undefined => {
  if (value === null) return undefined;
  if (!isObject(value)) throw invalidSyntax(`${schema.id} must be an object.`);
  const document: Document = {};
  for (const [key, item] of Object.entries(value)) {
    const attribute = findAttribute(schema.attributes, key);
    if (attribute === undefined) throw invalidSyntax(`${schema.id} has no attribute "${key.slice(0, 100)}".`);
    put(document, attribute.name, readValue(attribute, `${schema.id}:${attribute.name}`, item, dialect));
  }
  return Object.keys(document).length === 0 ? undefined : document;
};

const resolveKey = (
  resource: ResourceDefinition,
  key: string,
): { extension: SchemaDefinition | undefined; attribute: AttributeDefinition | undefined } => {
  try {
    const target = resolvePath(resource, key);
    if (target.attribute === undefined) return target;
    if (target.elements === undefined && target.sub === undefined) return target;
  } catch (cause) {
    throw new AppError('INVALID_SYNTAX', `${resource.name} has no attribute "${key.slice(0, 100)}".`, { cause });
  }
  throw invalidSyntax(`"${key.slice(0, 100)}" is a path; a resource has attributes.`);
};

/** Which attributes of an input are dropped without a word, because the RFC says so. */
const isIgnored = (attribute: AttributeDefinition): boolean =>
  // Read-only attributes come back in every PUT of Okta (RFC 7644 §3.5.1); a password is accepted and never kept.
  attribute.mutability === 'readOnly' || attribute.returned === 'never';

/**
 * Reads a whole resource, as POST and PUT have it.
 *
 * @throws INVALID_SYNTAX for an unknown attribute or schema; INVALID_VALUE for a value that does not fit, or a missing
 *   required one; TOO_MANY
 * @see RFC 7644 §3.3, §3.5.1
 */
export const readResource = (resource: ResourceDefinition, body: unknown, dialect: Dialect): ResourceInput => {
  if (!isObject(body)) throw invalidSyntax('The body must be a JSON object.');
  const document: Document = {};
  let members: readonly string[] | undefined;
  for (const [key, value] of Object.entries(body satisfies JsonObject)) {
    const { extension, attribute } = resolveKey(resource, key);
    if (attribute === undefined) {
      if (extension !== undefined) put(document, extension.id, readExtension(extension, value, dialect));
    } else if (attribute.name === 'schemas') checkSchemas(resource, value, dialect);
    else if (isIgnored(attribute)) continue;
    else if (attribute.name === 'members') {
      if (members !== undefined) throw invalidSyntax('"members" is given twice.');
      members = readMemberIds(value, MAX_GROUP_MEMBERS);
    } else if (extension !== undefined) throw invalidSyntax(`Attributes of ${extension.id} belong into its object.`);
    else put(document, attribute.name, readValue(attribute, attribute.name, value, dialect));
  }
  requireAttributes(resource, document);
  return { document, members };
};

/**
 * Reads the body of a PUT, where the dialect has it.
 *
 * @throws what {@link readResource} throws; INVALID_SYNTAX when the directory is to send PATCH only
 * @see RFC 7644 §3.5.1
 */
export const readReplacement = (resource: ResourceDefinition, body: unknown, dialect: Dialect): ResourceInput => {
  if (!dialect.put) throw invalidSyntax(`The profile ${dialect.name} changes resources with PATCH, not with PUT.`);
  return readResource(resource, body, dialect);
};

/** @throws INVALID_VALUE when a required attribute is missing */
export const requireAttributes = (resource: ResourceDefinition, document: Document): void => {
  for (const { name, required } of resource.core.attributes) {
    if (required && !Object.hasOwn(document, name))
      throw new AppError('INVALID_VALUE', `${name} is required.`, {
        fields: [{ pointer: `/${name}`, code: 'REQUIRED' }],
      });
  }
};

const partOf = (value: JsonValue | undefined, name: string): JsonValue | undefined =>
  isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;

const requireSame = (
  attributes: readonly AttributeDefinition[],
  prefix: string,
  before: JsonValue | undefined,
  after: JsonValue | undefined,
): void => {
  for (const { name, mutability, multiValued, subAttributes } of attributes) {
    const [old, next] = [partOf(before, name), partOf(after, name)];
    if (mutability === 'immutable' && old !== undefined && !sameJson(old, next))
      throw new AppError('MUTABILITY', `${prefix}${name} cannot be changed once it has a value.`);
    if (!multiValued && subAttributes !== undefined) requireSame(subAttributes, `${prefix}${name}.`, old, next);
  }
};

/**
 * An immutable attribute keeps the value it once got, whatever way it would have been changed.
 *
 * @throws MUTABILITY
 * @see RFC 7644 §3.5.1, §3.5.2.1
 */
export const requireImmutable = (resource: ResourceDefinition, before: Document, after: Document): void => {
  requireSame(resource.core.attributes, '', before, after);
  for (const { id, attributes } of resource.extensions)
    requireSame(attributes, `${id}:`, partOf(before, id), partOf(after, id));
};
