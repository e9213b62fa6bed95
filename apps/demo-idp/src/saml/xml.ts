import { DemoIdpError } from '../errors.ts';

declare const canonical: unique symbol;

/** XML text that is its own exclusive canonical form (https://www.w3.org/TR/xml-exc-c14n/). */
export type CanonicalXml = string & { readonly [canonical]: true };

/** Attributes and namespace declarations by qualified name; undefined and null are left out. */
export type XmlAttributes = Readonly<Record<string, string | null | undefined>>;

const XML_CHARACTERS = /^[\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]*$/u;

/**
 * Character data, escaped exactly as canonical XML demands, so that nothing in a name can become markup.
 * @throws XML_REFUSED for characters that no XML 1.0 document can carry.
 * @see Canonical XML 1.0 §2.3, Text Nodes
 */
export function text(value: string): CanonicalXml {
  return asCanonical(
    checked(value).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('\r', '&#xD;'),
  );
}

/**
 * One element in canonical form: no empty-element tag, namespace declarations first, attributes in order.
 * The caller declares a namespace on the outermost element that uses it visibly and nowhere below.
 * @see Canonical XML 1.0 §2.3, Element and Attribute Nodes
 */
export function element(name: string, attributes: XmlAttributes, ...children: readonly CanonicalXml[]): CanonicalXml {
  const written = Object.entries(attributes)
    .filter((entry): entry is [string, string] => typeof entry[1] === 'string')
    .toSorted(([left], [right]) => compareCodePoints(orderKey(left), orderKey(right)))
    .map(([attribute, value]) => ` ${attribute}="${escapeAttribute(value)}"`);
  return asCanonical(`<${name}${written.join('')}>${children.join('')}</${name}>`);
}

/** Nothing, where an optional child would stand. */
export const nothing: CanonicalXml = asCanonical('');

/** @see Canonical XML 1.0 §2.3, Attribute Nodes */
function escapeAttribute(value: string): string {
  return checked(value)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\t', '&#x9;')
    .replaceAll('\n', '&#xA;')
    .replaceAll('\r', '&#xD;');
}

/** Default namespace, prefixed namespaces, attributes without and then with a namespace. */
function orderKey(name: string): string {
  if (name === 'xmlns') return '0';
  if (name.startsWith('xmlns:')) return `1${name}`;
  return name.includes(':') ? `3${name}` : `2${name}`;
}

function compareCodePoints(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

function checked(value: string): string {
  if (!XML_CHARACTERS.test(value))
    throw new DemoIdpError('XML_REFUSED', 'A value holds a character that XML cannot carry.');
  return value;
}

function asCanonical(value: string): CanonicalXml {
  // The brand is the whole point of this module: only these functions may claim canonical form.
  return value as CanonicalXml;
}

/**
 * The text to send: some parsers follow XML 1.1 and turn U+0085 and U+2028 into line feeds, which would
 * break a good signature, so those two travel as character references. Parsed back, nothing differs.
 */
export function toWire(xml: CanonicalXml): string {
  return xml.replaceAll('\u0085', '&#x85;').replaceAll('\u2028', '&#x2028;');
}
