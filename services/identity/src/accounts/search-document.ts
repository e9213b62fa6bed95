import type { Profile } from './account.ts';
import { foldCase } from './fold-case.ts';

type Folded = string | number | boolean | { readonly [key: string]: Folded } | readonly Folded[];

const isEmpty = (value: Folded | undefined): boolean =>
  value === undefined || value === '' || (typeof value === 'object' && Object.keys(value).length === 0);

const fold = (value: unknown): Folded | undefined => {
  if (typeof value === 'string') return foldCase(value);
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  // Every element keeps its place: the elements of the profile itself are read beside it.
  if (Array.isArray(value)) {
    const elements = value.map((element): Folded => fold(element) ?? {});
    return elements.every(isEmpty) ? undefined : elements;
  }
  return typeof value === 'object' && value !== null ? foldObject(value) : undefined;
};

const foldObject = (object: object): { readonly [key: string]: Folded } =>
  Object.fromEntries(
    Object.entries(object).flatMap(([key, value]): [string, Folded][] => {
      const folded = fold(value);
      return folded === undefined || isEmpty(folded) ? [] : [[key, folded]];
    }),
  );

/**
 * A profile as it is searched: every text folded with {@link foldCase}, nothing in it that says nothing. Stored beside
 * the profile with every write, so that PostgreSQL compares what JavaScript would; its own lower() folds otherwise.
 */
export const searchDocumentOf = (profile: Profile): { readonly [key: string]: Folded } => foldObject(profile);
