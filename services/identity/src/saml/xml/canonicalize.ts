/**
 * Exclusive XML canonicalisation without comments, of one element and everything beneath it.
 *
 * Exact for the documents {@link parseXml} produces: there are no comments, processing instructions or entities left
 * that could be rendered one way and read another.
 * @see Exclusive XML Canonicalization 1.0 §3, Canonical XML 1.0 §2
 */
import { isElement, type XmlAttribute, type XmlElement, type XmlNode } from './tree.ts';

export interface CanonicalizeOptions {
  /** Left out of the output: the Signature of the enveloped-signature transform (XMLDSig §6.6.4). */
  readonly omit?: XmlElement;
  /** InclusiveNamespaces PrefixList; the empty text stands for `#default`. */
  readonly inclusivePrefixes?: readonly string[];
}

/** The canonical octets of an element. Pure; cost linear in the output. */
export function canonicalize(element: XmlElement, options: CanonicalizeOptions = {}): Buffer {
  const parts: string[] = [];
  render(element, new Map([['', '']]), {
    parts,
    omit: options.omit ?? null,
    inclusive: options.inclusivePrefixes ?? [],
  });
  return Buffer.from(parts.join(''), 'utf8');
}

interface Output {
  readonly parts: string[];
  readonly omit: XmlElement | null;
  readonly inclusive: readonly string[];
}

/** `rendered` = the namespace declarations that the output ancestors carry. Depth is capped by the parser. */
function render(node: XmlNode, rendered: ReadonlyMap<string, string>, output: Output): void {
  if (!isElement(node)) {
    output.parts.push(escapeText(node));
    return;
  }
  if (node === output.omit) return;
  const declarations = declarationsFor(node, rendered, output.inclusive);
  output.parts.push('<', node.name);
  for (const [prefix, uri] of declarations) {
    output.parts.push(prefix === '' ? ' xmlns="' : ` xmlns:${prefix}="`, escapeAttribute(uri), '"');
  }
  for (const { name, value } of [...node.attributes].sort(byNamespaceAndName)) {
    output.parts.push(' ', name, '="', escapeAttribute(value), '"');
  }
  output.parts.push('>');
  const inner = declarations.length === 0 ? rendered : new Map([...rendered, ...declarations]);
  for (const child of node.children) render(child, inner, output);
  output.parts.push('</', node.name, '>');
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
