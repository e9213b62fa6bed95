import { AppError } from '@sallyport/errors';

import type { AttributeDefinition, ResourceDefinition, SchemaDefinition } from './attribute.ts';
import { parseValueFilter, type ParseOptions, type ResolvedFilter } from './filter/index.ts';
import { findIn, findPart, splitSchema } from './names.ts';

/** What a path points at, resolved against the schema: nothing that is not in the schema can be named. */
export interface Target {
  /** The extension the attribute belongs to; undefined for core and common attributes. */
  readonly extension: SchemaDefinition | undefined;
  readonly attribute: AttributeDefinition;
  /** Of a multi-valued attribute: which elements. */
  readonly elements: ResolvedFilter | undefined;
  readonly sub: AttributeDefinition | undefined;
}

/** A path that names a whole extension: `urn:…:enterprise:2.0:User`. */
export interface ExtensionTarget {
  readonly extension: SchemaDefinition;
  readonly attribute: undefined;
}

const MAX_PATH_LENGTH = 1_024;

const invalid = (path: string, why: string): AppError =>
  new AppError('INVALID_PATH', `The path "${path.slice(0, 100)}" ${why}.`);

interface Parts {
  readonly name: string;
  readonly filter: string | undefined;
  readonly sub: string | undefined;
}

/** `name`, `name.sub`, `name[filter]`, `name[filter].sub`; the filter may contain quoted brackets and dots. */
const splitParts = (path: string, rest: string): Parts => {
  const open = rest.indexOf('[');
  if (open === -1) {
    const dot = rest.indexOf('.');
    return dot === -1
      ? { name: rest, filter: undefined, sub: undefined }
      : { name: rest.slice(0, dot), filter: undefined, sub: rest.slice(dot + 1) };
  }
  const close = rest.lastIndexOf(']');
  if (close < open) throw invalid(path, 'has an unclosed bracket');
  const after = rest.slice(close + 1);
  if (after !== '' && !after.startsWith('.')) throw invalid(path, 'cannot be read');
  return {
    name: rest.slice(0, open),
    filter: rest.slice(open + 1, close),
    sub: after === '' ? undefined : after.slice(1),
  };
};

interface Resolving {
  readonly resource: ResourceDefinition;
  readonly path: string;
  readonly parts: Parts;
  readonly attribute: AttributeDefinition;
  readonly options: ParseOptions;
}

const resolveSub = ({ resource, path, parts, attribute }: Resolving): AttributeDefinition | undefined => {
  if (parts.sub === undefined) return undefined;
  const sub = findPart(attribute, parts.sub);
  if (sub === undefined) throw invalid(path, `is not an attribute of ${resource.name}`);
  return sub;
};

const resolveElements = ({ path, parts, attribute, options }: Resolving): ResolvedFilter | undefined => {
  if (parts.filter === undefined) return undefined;
  if (!attribute.multiValued || attribute.type !== 'complex')
    throw invalid(path, 'filters an attribute that is not a list of objects');
  return parseValueFilter(attribute, parts.filter, options);
};

/**
 * Resolves an attribute path of a PATCH operation, or a key of its pathless value.
 *
 * @throws INVALID_PATH when it names nothing in the schema (prototype names included); INVALID_FILTER for its `[…]`
 * @see RFC 7644 §3.5.2, figure 7
 */
export const resolvePath = (
  resource: ResourceDefinition,
  path: string,
  options: ParseOptions = {},
): Target | ExtensionTarget => {
  if (path.length > MAX_PATH_LENGTH) throw invalid(path, 'is too long');
  const { schema, rest } = splitSchema(resource, path.trim());
  const extension = schema === resource.core ? undefined : schema;
  if (rest === '') {
    if (extension === undefined) throw invalid(path, 'names no attribute');
    return { extension, attribute: undefined };
  }
  const parts = splitParts(path, rest);
  const attribute = findIn(resource, schema, parts.name);
  if (attribute === undefined) throw invalid(path, `is not an attribute of ${resource.name}`);
  const resolving = { resource, path, parts, attribute, options };
  return { extension, attribute, elements: resolveElements(resolving), sub: resolveSub(resolving) };
};

/** The canonical spelling of a target without its filter, for messages. */
export const nameOf = ({ extension, attribute, sub }: Target): string =>
  `${extension === undefined ? '' : `${extension.id}:`}${attribute.name}${sub === undefined ? '' : `.${sub.name}`}`;
