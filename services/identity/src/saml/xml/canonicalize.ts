/**
 * Exclusive XML canonicalisation without comments, of one element and everything beneath it.
 *
 * Exact for the documents {@link parseXml} produces: there are no comments, processing instructions or entities left
 * that could be rendered one way and read another.
 * @see Exclusive XML Canonicalization 1.0 §3, Canonical XML 1.0 §2
 */
import { refuse } from '../reasons.ts';
import { isElement, type XmlAttribute, type XmlElement, type XmlNode } from './tree.ts';

/** Characters; twice the largest document we read. */
const MAX_CANONICAL_LENGTH = 1024 * 1024;

export interface CanonicalizeOptions {
  /** Left out of the output: the Signature of the enveloped-signature transform (XMLDSig §6.6.4). */
  readonly omit?: XmlElement;
  /** InclusiveNamespaces PrefixList; the empty text stands for `#default`. */
  readonly inclusivePrefixes?: readonly string[];
}

/**
 * The canonical octets of an element. Pure; cost linear in the output, which is bounded: a namespace is declared anew by
 * every element that uses it, so that half a megabyte of input could make a hundred of output.
 * @throws SamlRefusal MESSAGE_TOO_LARGE for what could not be read again either
 */
export function canonicalize(element: XmlElement, options: CanonicalizeOptions = {}): Buffer {
  const output: Output = {
    parts: [],
    length: 0,
    omit: options.omit ?? null,
    inclusive: options.inclusivePrefixes ?? [],
  };
  render(element, new Map([['', '']]), output);
  return Buffer.from(output.parts.join(''), 'utf8');
}

interface Output {
  readonly parts: string[];
  /** Characters so far. */
  length: number;
  readonly omit: XmlElement | null;
  readonly inclusive: readonly string[];
}

/** `rendered` = the namespace declarations that the output ancestors carry. Depth is capped by the parser. */
function render(node: XmlNode, rendered: ReadonlyMap<string, string>, output: Output): void {
  if (!isElement(node)) {
    write(output, escapeText(node));
    return;
  }
  if (node === output.omit) return;
  const declarations = declarationsFor(node, rendered, output.inclusive);
  write(output, '<', node.name);
  for (const [prefix, uri] of declarations) {
    write(output, prefix === '' ? ' xmlns="' : ` xmlns:${prefix}="`, escapeAttribute(uri), '"');
  }
  for (const { name, value } of [...node.attributes].sort(byNamespaceAndName)) {
    write(output, ' ', name, '="', escapeAttribute(value), '"');
  }
  write(output, '>');
  const inner = declarations.length === 0 ? rendered : new Map([...rendered, ...declarations]);
  for (const child of node.children) render(child, inner, output);
  write(output, '</', node.name, '>');
}

function write(output: Output, ...parts: readonly string[]): void {
  output.parts.push(...parts);
  for (const part of parts) output.length += part.length;
  if (output.length > MAX_CANONICAL_LENGTH) refuse('MESSAGE_TOO_LARGE', 'canonical form');
}

/** Visibly utilised prefixes and those of the inclusive list, where the output does not already say the same. */
function declarationsFor(
  element: XmlElement,
  rendered: ReadonlyMap<string, string>,
  inclusive: readonly string[],
): [string, string][] {
  const wanted = new Set([element.prefix, ...inclusive.filter((prefix) => element.scope.has(prefix))]);
  for (const { prefix } of element.attributes) if (prefix !== '') wanted.add(prefix);
  wanted.delete('xml');
  return [...wanted]
    .map((prefix): [string, string] => [prefix, element.scope.get(prefix) ?? ''])
    .filter(([prefix, uri]) => rendered.get(prefix) !== uri)
    .sort(([left], [right]) => (left < right ? -1 : 1)); // prefixes are ASCII
}

const byCodePoint = (left: string, right: string): number =>
  left === right ? 0 : Buffer.compare(Buffer.from(left), Buffer.from(right));

const byNamespaceAndName = (left: XmlAttribute, right: XmlAttribute): number =>
  byCodePoint(left.namespace, right.namespace) || (left.localName < right.localName ? -1 : 1); // names are ASCII

const TEXT_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['\r', '&#xD;'],
]);
const ATTRIBUTE_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['"', '&quot;'],
  ['\t', '&#x9;'],
  ['\n', '&#xA;'],
  ['\r', '&#xD;'],
]);

/** Character data as canonical XML writes it. */
export const escapeText = (text: string): string =>
  text.replaceAll(/[&<>\r]/g, (found) => TEXT_ESCAPES.get(found) ?? found);

/** An attribute value as canonical XML writes it. */
export const escapeAttribute = (value: string): string =>
  value.replaceAll(/[&<"\t\n\r]/g, (found) => ATTRIBUTE_ESCAPES.get(found) ?? found);
