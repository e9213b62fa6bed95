import { createHash } from 'node:crypto';

/** What can be agreed to: JSON without numbers that have two forms. */
export type Content =
  | null
  | boolean
  | number
  | string
  | readonly Content[]
  | { readonly [name: string]: Content | undefined };

const ordered = (content: Content): unknown => {
  if (content === null || typeof content !== 'object') return content;
  if (Array.isArray(content)) return content.map((each: Content) => ordered(each));
  return Object.entries(content)
    .filter(([, value]) => value !== undefined)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, value]) => [name, ordered(value as Content)]);
};

/**
 * Lower-case hexadecimal SHA-256 of a content of a kind. The order of names changes nothing; every value does, and so
 * does the kind.
 */
export const contentHash = (kind: string, content: Content): string =>
  createHash('sha256')
    .update(JSON.stringify([kind, ordered(content)]), 'utf8')
    .digest('hex');
