import { AppError } from '@sallyport/errors';

import type { ResourceDefinition } from './attribute.ts';
import { parseFilter } from './filter.ts';
import { resolvePath } from './path.ts';

/** One `eq` comparison on an attribute that can be looked up. */
export interface Criterion<Field extends string> {
  readonly field: Field;
  readonly value: string;
}

/**
 * Turns a list filter into criteria for the database.
 *
 * `fields` maps the canonical path of each attribute that can be looked up to the store's name for it. Every other
 * filter is refused: a filter that is ignored would hand out what was not asked for.
 *
 * @throws INVALID_FILTER
 * @see RFC 7644 §3.4.2.2
 */
export const readCriteria = <Field extends string>(
  resource: ResourceDefinition,
  fields: ReadonlyMap<string, Field>,
  filter: string | undefined,
): readonly Criterion<Field>[] => {
  if (filter === undefined) return [];
  return parseFilter(filter).map(({ path, value }) => {
    const field = fields.get(canonicalPath(resource, path));
    if (field === undefined) throw unsupported(path, 'cannot be filtered by');
    if (typeof value === 'string') return { field, value };
    // A bare number is a string for these attributes, as Entra writes them.
    if (typeof value === 'number') return { field, value: String(value) };
    throw unsupported(path, 'is compared with a value of the wrong type');
  });
};

const unsupported = (path: string, why: string): AppError =>
  new AppError('INVALID_FILTER', `"${path.slice(0, 100)}" ${why}.`);

const canonicalPath = (resource: ResourceDefinition, path: string): string => {
  try {
    const target = resolvePath(resource, path);
    if (target.attribute === undefined || target.elements !== undefined) return '';
    const { extension, attribute, sub } = target;
    const prefix = extension === undefined ? '' : `${extension.id}:`;
    return `${prefix}${attribute.name}${sub === undefined ? '' : `.${sub.name}`}`;
  } catch (cause) {
    throw new AppError('INVALID_FILTER', `"${path.slice(0, 100)}" is no attribute of ${resource.name}.`, { cause });
  }
};
