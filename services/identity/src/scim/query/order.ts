import { AppError } from '@sallyport/errors';

import type { ResourceDefinition } from '../protocol/attribute.ts';
import { leafOf, type FilterTarget } from '../protocol/filter/index.ts';
import { findNamed, findPart } from '../protocol/names.ts';
import { canonicalName, type Layout } from './layout.ts';

/** What a list is sorted by; ties, and lists that are not sorted, go by id. */
export interface SortOrder {
  /** As the client wrote it. */
  readonly by: string;
  readonly descending: boolean;
}

const invalid = (by: string, why: string): AppError =>
  new AppError('INVALID_VALUE', `sortBy "${by.slice(0, 100)}" ${why}.`, {
    fields: [{ pointer: '/sortBy', code: 'INVALID_VALUE' }],
  });

/** Undefined when the type of resource has no such attribute. @throws INVALID_VALUE for what cannot be sorted by */
export const findSortTarget = (resource: ResourceDefinition, by: string): FilterTarget | undefined => {
  const named = findNamed(resource, by);
  if (named === undefined) return undefined;
  const { attribute } = named;
  const sub = named.sub ?? (attribute.type === 'complex' ? findPart(attribute, 'value') : undefined);
  const target = { extension: named.extension, attribute, elements: undefined, sub };
  if (attribute.returned === 'never') return undefined;
  if (leafOf(target).type === 'complex') throw invalid(by, 'is an object: say which part of it');
  // Derived from elsewhere, in no order of their own: there is no "first" of them.
  if (['groups', 'members', 'schemas'].includes(attribute.name)) throw invalid(by, 'is a list without an order');
  return target;
};

/** @throws INVALID_VALUE when no type of resource has such an attribute */
export const requireSortable = (resources: readonly ResourceDefinition[], by: string): void => {
  if (!resources.some((resource) => findSortTarget(resource, by) !== undefined))
    throw invalid(by, `is no attribute of ${resources.map(({ name }) => name).join(' or ')}`);
};

/**
 * The text a row is sorted by; NULL when it has no value. A list is represented by its primary, else its first value.
 *
 * @see RFC 7644 §3.4.2.3
 */
export const sortKey = (layout: Layout, { by }: SortOrder): string => {
  const target = findSortTarget(layout.resource, by);
  if (target === undefined) return 'NULL::text';
  if (leafOf(target).type === 'dateTime')
    return `to_char(${layout.instant(leafOf(target))} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')`;
  const { attribute, sub } = target;
  if (!attribute.multiValued) return layout.text(target);
  const source = layout.elements(attribute);
  const primary = findPart(attribute, 'primary');
  const first = primary === undefined ? '' : `coalesce(${source.part(primary)}, 'false') DESC, `;
  return `(SELECT ${source.part(sub)} FROM ${source.rows} ORDER BY ${first}${source.ordinal ?? '1'} LIMIT 1)`;
};

/** For cursors: two spellings of one order are one order. */
export const canonicalOrder = (
  resources: readonly ResourceDefinition[],
  order: SortOrder | undefined,
): readonly unknown[] => {
  if (order === undefined) return [];
  const names = resources.map((resource) => {
    const target = findSortTarget(resource, order.by);
    return target === undefined ? null : canonicalName(target);
  });
  return [...names, order.descending];
};
