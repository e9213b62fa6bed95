import { AppError } from '@sallyport/errors';

import {
  findAttribute,
  type AttributeDefinition,
  type ResourceDefinition,
  type SchemaDefinition,
} from './attribute.ts';
import { isArray, isObject, type Document, type JsonObject, type JsonValue } from './json.ts';
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

const checkSchemas = (resource: ResourceDefinition, value: JsonValue): void => {
  const known = [resource.core.id, ...resource.extensions.map(({ id }) => id), ...resource.toleratedSchemas];
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

const readExtension = (schema: SchemaDefinition, value: JsonValue): Document | undefined => {
  if (value === null) return undefined;
  if (!isObject(value)) throw invalidSyntax(`${schema.id} must be an object.`);
  const document: Document = {};
  for (const [key, item] of Object.entries(value)) {
    const attribute = findAttribute(schema.attributes, key);
    if (attribute === undefined) throw invalidSyntax(`${schema.id} has no attribute "${key.slice(0, 100)}".`);
    put(document, attribute.name, readValue(attribute, `${schema.id}:${attribute.name}`, item));
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
 * Reads the body of a POST or PUT.
 *
 * @throws INVALID_SYNTAX for an unknown attribute or schema; INVALID_VALUE for a value that does not fit, or a missing
 *   required one; TOO_MANY
 * @see RFC 7644 §3.3, §3.5.1
 */
export const readResource = (resource: ResourceDefinition, body: unknown): ResourceInput => {
  if (!isObject(body)) throw invalidSyntax('The body must be a JSON object.');
  const document: Document = {};
  let members: readonly string[] | undefined;
  for (const [key, value] of Object.entries(body satisfies JsonObject)) {
    const { extension, attribute } = resolveKey(resource, key);
    if (attribute === undefined) {
      if (extension !== undefined) put(document, extension.id, readExtension(extension, value));
    } else if (attribute.name === 'schemas') checkSchemas(resource, value);
    else if (isIgnored(attribute)) continue;
    else if (attribute.name === 'members') {
      if (members !== undefined) throw invalidSyntax('"members" is given twice.');
      members = readMemberIds(value, MAX_GROUP_MEMBERS);
    } else if (extension !== undefined) throw invalidSyntax(`Attributes of ${extension.id} belong into its object.`);
    else put(document, attribute.name, readValue(attribute, attribute.name, value));
  }
  requireAttributes(resource, document);
  return { document, members };
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
