/**
 * The one XML reader of SAML messages: a single forward pass over a small subset of XML 1.0 with namespaces.
 *
 * Owns: bytes to tree, the caps, the refusal of everything a login message has no need for (DOCTYPE, entities,
 * processing instructions, comments, CDATA, any encoding but UTF-8, names outside ASCII). Does not own: what the
 * elements mean. Both readings of a message, before and after its signature is checked, go through this function, so
 * there is no second parser to disagree with.
 *
 * Cost: linear in the bytes read; nothing is looked up by a name from the input in a plain object.
 * @see XML 1.0 (fifth edition) §2, Namespaces in XML 1.0 §3-§6
 */
import { refuse } from '../reasons.ts';

import type { XmlLimits } from './limits.ts';
import type { XmlAttribute, XmlElement, XmlNode } from './tree.ts';

export const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace';
const XMLNS_NAMESPACE = 'http://www.w3.org/2000/xmlns/';

const DECLARATION =
  /^<\?xml version=(?:"1\.0"|'1\.0')(?: encoding=(?:"[Uu][Tt][Ff]-8"|'[Uu][Tt][Ff]-8'))?(?: standalone=(?:"(?:yes|no)"|'(?:yes|no)'))? ?\?>/;
/** XML 1.0 §2.2 Char, negated. */
const FORBIDDEN_CHARACTER = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;
const NAME = /([A-Za-z_][A-Za-z0-9_.-]*)(?::([A-Za-z_][A-Za-z0-9_.-]*))?/y;
const SPACE = /[ \t\n]+/y;
const REFERENCE = /&(?:#(\d{1,7})|#x([0-9A-Fa-f]{1,6})|([A-Za-z_][A-Za-z0-9_.-]*));/y;
const PREDEFINED: ReadonlyMap<string, string> = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
]);

/** Why a character reference such as `&#0;` is malformed: it names no XML character. */
const isXmlCharacter = (code: number): boolean =>
  code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) && !FORBIDDEN_CHARACTER.test(String.fromCodePoint(code));

/**
 * Reads a document. @throws SamlRefusal with the reason; never anything else, whatever the bytes
 */
export function parseXml(bytes: Uint8Array, limits: XmlLimits): XmlElement {
  if (bytes.byteLength > limits.maxBytes) refuse('MESSAGE_TOO_LARGE');
  return new Reader(decodeUtf8(bytes), limits).document();
}

function decodeUtf8(bytes: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return refuse('ENCODING_NOT_UTF8');
  }
  if (FORBIDDEN_CHARACTER.test(text)) refuse('XML_MALFORMED', 'character');
  return text.replaceAll(/\r\n?/g, '\n'); // XML 1.0 §2.11
}

interface OpenElement {
  readonly element: XmlElement;
  readonly children: XmlNode[];
}

interface RawAttribute {
  readonly name: string;
  readonly prefix: string;
  readonly localName: string;
  readonly value: string;
}

const ROOT_SCOPE: ReadonlyMap<string, string> = new Map([
  ['', ''],
  ['xml', XML_NAMESPACE],
]);

class Reader {
  readonly #text: string;
  readonly #limits: XmlLimits;
  readonly #namespaces = new Set<string>();
  #position = 0;
  #elements = 0;

  constructor(text: string, limits: XmlLimits) {
    this.#text = text;
    this.#limits = limits;
  }

  document(): XmlElement {
    const declaration = DECLARATION.exec(this.#text)?.[0];
    if (declaration === undefined && /^<\?xml[ \t\n]/.test(this.#text)) refuse('ENCODING_NOT_UTF8');
    this.#position = declaration?.length ?? 0;
    this.#skipSpace();
    this.#refuseMarkupDeclarations();
    const root = this.#elementTree();
    this.#skipSpace();
    this.#refuseMarkupDeclarations();
    if (this.#position !== this.#text.length) refuse('XML_MALFORMED', 'after the root');
    return root;
  }

  /** Iterative, so that depth costs no stack. */
  #elementTree(): XmlElement {
    const stack: OpenElement[] = [];
    for (;;) {
      const parent = stack.at(-1);
      if (parent !== undefined) this.#textInto(parent.children);
      if (parent !== undefined && this.#text.startsWith('</', this.#position)) {
        this.#endTag(parent.element.name);
        stack.pop();
        if (stack.length === 0) return parent.element;
        continue;
      }
      this.#refuseMarkupDeclarations();
      const { open, selfClosing } = this.#startTag(parent?.element.scope ?? ROOT_SCOPE);
      parent?.children.push(open.element);
      if (!selfClosing) {
        stack.push(open);
        if (stack.length > this.#limits.maxDepth) refuse('TOO_DEEP');
      } else if (parent === undefined) return open.element;
    }
  }

  #startTag(outer: ReadonlyMap<string, string>): { open: OpenElement; selfClosing: boolean } {
    this.#elements += 1;
    if (this.#elements > this.#limits.maxElements) refuse('TOO_MANY_ELEMENTS');
    this.#expect('<');
    const { name, prefix, localName } = this.#name();
    const raw = this.#attributes();
    const selfClosing = this.#text[this.#position] === '/';
    if (selfClosing) this.#position += 1;
    this.#expect('>');
    const scope = this.#scopeOf(raw, outer);
    const children: XmlNode[] = [];
    const namespace = prefix === 'xmlns' ? undefined : scope.get(prefix);
    if (namespace === undefined) return refuse('NAMESPACE_INVALID', 'undeclared prefix');
    const attributes = this.#resolve(raw, scope);
    return {
      open: { element: { name, prefix, localName, namespace, attributes, scope, children }, children },
      selfClosing,
    };
  }

  #attributes(): RawAttribute[] {
    const attributes: RawAttribute[] = [];
    for (;;) {
      const spaced = this.#skipSpace();
      const next = this.#text[this.#position];
      if (next === '>' || next === '/') return attributes;
      if (!spaced) refuse('XML_MALFORMED', 'attribute');
      if (attributes.length === this.#limits.maxAttributes) refuse('TOO_MANY_ATTRIBUTES');
      const parts = this.#name();
      this.#skipSpace();
      this.#expect('=');
      this.#skipSpace();
      attributes.push({ ...parts, value: this.#attributeValue() });
    }
  }

  #attributeValue(): string {
    const quote = this.#text[this.#position];
    if (quote !== '"' && quote !== "'") refuse('XML_MALFORMED', 'attribute value');
    const end = this.#text.indexOf(quote, this.#position + 1);
    if (end === -1) refuse('XML_MALFORMED', 'attribute value');
    const literal = this.#text.slice(this.#position + 1, end);
    if (literal.includes('<')) refuse('XML_MALFORMED', 'attribute value');
    this.#position = end + 1;
    return decodeReferences(literal.replaceAll(/[\t\n]/g, ' ')); // XML 1.0 §3.3.3
  }

  #scopeOf(attributes: readonly RawAttribute[], outer: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    const declared = new Map<string, string>();
    for (const { prefix, localName, value } of attributes) {
      const isDefault = prefix === '' && localName === 'xmlns';
      if (!isDefault && prefix !== 'xmlns') continue;
      const target = isDefault ? '' : localName;
      this.#checkDeclaration(target, value);
      if (declared.has(target)) refuse('XML_MALFORMED', 'repeated declaration');
      declared.set(target, value);
      this.#namespaces.add(`${target}=${value}`);
      if (this.#namespaces.size > this.#limits.maxNamespaces) refuse('TOO_MANY_NAMESPACES');
    }
    return declared.size === 0 ? outer : new Map([...outer, ...declared]);
  }

  #checkDeclaration(prefix: string, uri: string): void {
    const reserved = prefix === 'xml' || prefix === 'xmlns' || uri === XML_NAMESPACE || uri === XMLNS_NAMESPACE;
    if (reserved || (prefix !== '' && uri === '')) refuse('NAMESPACE_INVALID', 'declaration');
  }

  #resolve(raw: readonly RawAttribute[], scope: ReadonlyMap<string, string>): XmlAttribute[] {
    const seen = new Set<string>();
    const attributes: XmlAttribute[] = [];
    for (const { name, prefix, localName, value } of raw) {
      if (prefix === 'xmlns' || name === 'xmlns') continue;
      const namespace = prefix === '' ? '' : scope.get(prefix);
      if (namespace === undefined) return refuse('NAMESPACE_INVALID', 'undeclared prefix');
      const key = `${namespace} ${localName}`;
      if (seen.has(key)) refuse('XML_MALFORMED', 'repeated attribute');
      seen.add(key);
      attributes.push({ name, prefix, localName, namespace, value });
    }
    return attributes;
  }

  #textInto(children: XmlNode[]): void {
    const end = this.#text.indexOf('<', this.#position);
    if (end === -1) refuse('XML_MALFORMED', 'unclosed element');
    if (end === this.#position) return;
    const literal = this.#text.slice(this.#position, end);
    if (literal.includes(']]>')) refuse('XML_MALFORMED', 'text');
    this.#position = end;
    children.push(decodeReferences(literal));
  }

  #endTag(name: string): void {
    this.#position += 2;
    if (this.#name().name !== name) refuse('XML_MALFORMED', 'end tag');
    this.#skipSpace();
    this.#expect('>');
  }

  #refuseMarkupDeclarations(): void {
    const at = (token: string): boolean => this.#text.startsWith(token, this.#position);
    if (at('<!--')) refuse('COMMENT_FORBIDDEN');
    if (at('<![CDATA[')) refuse('CDATA_FORBIDDEN');
    if (at('<!ENTITY')) refuse('ENTITY_FORBIDDEN');
    if (at('<!')) refuse('DOCTYPE_FORBIDDEN');
    if (at('<?')) refuse('PROCESSING_INSTRUCTION_FORBIDDEN');
  }

  #name(): { name: string; prefix: string; localName: string } {
    NAME.lastIndex = this.#position;
    const match = NAME.exec(this.#text);
    if (match === null) return refuse('XML_MALFORMED', 'name');
    this.#position = NAME.lastIndex;
    const [name, first = '', second] = match;
    return second === undefined ? { name, prefix: '', localName: first } : { name, prefix: first, localName: second };
  }

  #skipSpace(): boolean {
    SPACE.lastIndex = this.#position;
    const match = SPACE.exec(this.#text);
    this.#position += match?.[0].length ?? 0;
    return match !== null;
  }

  #expect(character: string): void {
    if (this.#text[this.#position] !== character) refuse('XML_MALFORMED', 'tag');
    this.#position += 1;
  }
}

function decodeReferences(literal: string): string {
  let from = literal.indexOf('&');
  if (from === -1) return literal;
  let decoded = literal.slice(0, from);
  while (from !== -1) {
    REFERENCE.lastIndex = from;
    const match = REFERENCE.exec(literal);
    if (match === null) refuse('XML_MALFORMED', 'reference');
    decoded += referenced(match);
    const next = literal.indexOf('&', REFERENCE.lastIndex);
    decoded += literal.slice(REFERENCE.lastIndex, next === -1 ? undefined : next);
    from = next;
  }
  return decoded;
}

function referenced([, decimal, hexadecimal, entity]: RegExpExecArray): string {
  if (entity !== undefined) return PREDEFINED.get(entity) ?? refuse('ENTITY_FORBIDDEN');
  const code = decimal === undefined ? Number.parseInt(hexadecimal ?? '', 16) : Number.parseInt(decimal, 10);
  return isXmlCharacter(code) ? String.fromCodePoint(code) : refuse('XML_MALFORMED', 'character reference');
}
