import {
  findAttribute,
  findCoreAttribute,
  type AttributeDefinition,
  type ResourceDefinition,
  type SchemaDefinition,
} from './attribute.ts';

const NAME = /^[A-Za-z$][\w$-]{0,127}$/;

/** An attribute, or a part of one, found in the schema by its name. */
export interface NamedAttribute {
  /** The extension the attribute belongs to; undefined for core and common attributes. */
  readonly extension: SchemaDefinition | undefined;
  readonly attribute: AttributeDefinition;
  readonly sub: AttributeDefinition | undefined;
}

/** Splits off a schema URN that the name starts with, in any case. */
export const splitSchema = (
  resource: ResourceDefinition,
  name: string,
): { readonly schema: SchemaDefinition | undefined; readonly rest: string } => {
  for (const schema of [resource.core, ...resource.extensions]) {
    if (name.slice(0, schema.id.length).toLowerCase() !== schema.id.toLowerCase()) continue;
    const rest = name.slice(schema.id.length);
    if (rest === '') return { schema, rest };
    if (rest.startsWith(':')) return { schema, rest: rest.slice(1) };
  }
  return { schema: undefined, rest: name };
};

/** The attribute of a schema (core and common ones without a schema) by its simple name. */
export const findIn = (
  resource: ResourceDefinition,
  schema: SchemaDefinition | undefined,
  name: string,
): AttributeDefinition | undefined => {
  if (!NAME.test(name)) return undefined;
  if (schema === undefined || schema === resource.core) return findCoreAttribute(resource, name);
  return findAttribute(schema.attributes, name);
};

/** The part of a complex attribute by its simple name. */
export const findPart = (attribute: AttributeDefinition, name: string): AttributeDefinition | undefined =>
  NAME.test(name) ? findAttribute(attribute.subAttributes ?? [], name) : undefined;

/** `attribute` or `attribute.part`, with or without the URN of its schema; undefined when the schema has no such. */
export const findNamed = (resource: ResourceDefinition, name: string): NamedAttribute | undefined => {
  const { schema, rest } = splitSchema(resource, name);
  const dot = rest.indexOf('.');
  const attribute = findIn(resource, schema, dot === -1 ? rest : rest.slice(0, dot));
  if (attribute === undefined) return undefined;
  const sub = dot === -1 ? undefined : findPart(attribute, rest.slice(dot + 1));
  if (dot !== -1 && sub === undefined) return undefined;
  return { extension: schema === resource.core ? undefined : schema, attribute, sub };
};
