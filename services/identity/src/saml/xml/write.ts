/**
 * Writes the documents we send. What comes out is its own exclusive canonical form, so that what is signed is, octet
 * for octet, what is sent.
 * @see Canonical XML 1.0 §2.3, Exclusive XML Canonicalization 1.0
 */
import { AppError } from '@sallyport/errors';

import { escapeAttribute, escapeText } from './canonicalize.ts';

declare const canonical: unique symbol;

/** XML text that is its own exclusive canonical form. */
export type CanonicalXml = string & { readonly [canonical]: true };

const XML_CHARACTERS = /^[\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]*$/u;

/**
 * One element. A namespace is declared on the outermost element that uses it and nowhere beneath; attributes are
 * written in canonical order, null leaves one out.
 * @throws INTERNAL for a character that no XML 1.0 document can carry
 */
export const element = (
  name: string,
  attributes: Readonly<Record<string, string | null>>,
  ...children: readonly CanonicalXml[]
): CanonicalXml => {
  const written = Object.entries(attributes)
    .filter((entry): entry is [string, string] => entry[1] !== null)
    .toSorted(([left], [right]) => (rankOf(left) < rankOf(right) ? -1 : 1)) // names are ours: ASCII
    .map(([attribute, value]) => ` ${attribute}="${escapeAttribute(checked(value))}"`);
  return `<${name}${written.join('')}>${children.join('')}</${name}>` as CanonicalXml;
};

/** Character data. @throws INTERNAL for a character that no XML 1.0 document can carry */
export const text = (value: string): CanonicalXml => escapeText(checked(value)) as CanonicalXml;

/** Nothing, where an optional child would stand. */
export const nothing = '' as CanonicalXml;

/** Declarations come before attributes, the default one first. No attribute of ours is in a namespace. */
const rankOf = (name: string): string => {
  if (name === 'xmlns') return '0';
  return name.startsWith('xmlns:') ? `1${name}` : `2${name}`;
};

const checked = (value: string): string => {
  if (!XML_CHARACTERS.test(value)) throw new AppError('INTERNAL', 'A value holds a character that XML cannot carry.');
  return value;
};
