import { DemoIdpError } from '../errors.ts';

/** One element of a parsed document; names are local names, the namespace stands beside them. */
export interface XmlNode {
  readonly name: string;
  readonly namespace: string;
  /** Attributes without a prefix, by name. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlNode[];
  /** Character data directly inside this element. */
  readonly text: string;
}

interface OpenNode {
  readonly qualifiedName: string;
  readonly namespaces: ReadonlyMap<string, string>;
  readonly node: {
    name: string;
    namespace: string;
    attributes: Map<string, string>;
    children: XmlNode[];
    text: string;
  };
}

interface Reading {
  readonly open: OpenNode[];
  root: XmlNode | null;
  elements: number;
}

const MAX_CHARACTERS = 256 * 1024;
const MAX_DEPTH = 32;
const MAX_ELEMENTS = 2000;

const DECLARATION = /^\uFEFF?<\?xml [^<>?]*\?>\s*/;
const TOKEN = /<(\/?)([A-Za-z_][\w.:-]*)((?:\s+[A-Za-z_][\w.:-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y;
const ATTRIBUTE = /([A-Za-z_][\w.:-]*)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);

/**
 * Parses the small subset of XML that SAML requests and metadata are written in: elements, attributes, text.
 * @throws XML_REFUSED for everything else (DOCTYPE, comments, CDATA, processing instructions, unknown
 *   entities, undeclared prefixes) and above 256 Ki characters, 2,000 elements or a depth of 32.
 */
export function readXml(source: string): XmlNode {
  if (source.length > MAX_CHARACTERS) throw refused('it is too large');
  const reading: Reading = { open: [], root: null, elements: 0 };
  for (let position = DECLARATION.exec(source)?.[0].length ?? 0; position < source.length;) {
    TOKEN.lastIndex = position;
    const token = TOKEN.exec(source);
    if (token === null) throw refused('it holds markup other than elements and text');
    position = TOKEN.lastIndex;
    take(reading, token);
  }
  if (reading.root === null || reading.open.length > 0) throw refused('it is not complete');
  return reading.root;
}

function take(reading: Reading, token: RegExpExecArray): void {
  const [, closing, name = '', attributes = '', selfClosing, characters] = token;
  if (characters !== undefined) appendText(reading.open.at(-1), characters);
  else if (closing === '/') closeElement(reading, name, attributes !== '' || selfClosing === '/');
  else openElement(reading, name, attributes, selfClosing === '/');
}

function openElement(reading: Reading, name: string, attributes: string, isEmpty: boolean): void {
  const parent = reading.open.at(-1);
  reading.elements += 1;
  if (reading.elements > MAX_ELEMENTS || reading.open.length >= MAX_DEPTH) {
    throw refused('it has too many or too deep elements');
  }
  if (parent === undefined && reading.root !== null) throw refused('it has more than one root');
  const opened = openNode(name, attributes, parent?.namespaces ?? new Map());
  if (parent === undefined) reading.root = opened.node;
  else parent.node.children.push(opened.node);
  if (!isEmpty) reading.open.push(opened);
}

function closeElement(reading: Reading, name: string, isMalformed: boolean): void {
  if (isMalformed || reading.open.pop()?.qualifiedName !== name) throw refused('its tags do not match');
}

/** The children with this name, in document order. */
export function childrenNamed(node: XmlNode, namespace: string, name: string): XmlNode[] {
  return node.children.filter((child) => child.namespace === namespace && child.name === name);
}

/** All elements below a node with this name, in document order. */
export function descendantsNamed(node: XmlNode, namespace: string, name: string): XmlNode[] {
  return node.children.flatMap((child) => [
    ...(child.namespace === namespace && child.name === name ? [child] : []),
    ...descendantsNamed(child, namespace, name),
  ]);
}

function appendText(parent: OpenNode | undefined, characters: string): void {
  if (parent !== undefined) parent.node.text += unescape(characters);
  else if (characters.trim() !== '') throw refused('it has text outside its root');
}

function openNode(qualifiedName: string, source: string, inherited: ReadonlyMap<string, string>): OpenNode {
  const namespaces = new Map(inherited);
  const attributes = new Map<string, string>();
  const seen = new Set<string>();
  for (const [, name = '', doubleQuoted, singleQuoted] of source.matchAll(ATTRIBUTE)) {
    if (seen.has(name)) throw refused('it repeats an attribute');
    seen.add(name);
    const value = unescape(doubleQuoted ?? singleQuoted ?? '');
    if (name === 'xmlns') namespaces.set('', value);
    else if (name.startsWith('xmlns:')) namespaces.set(name.slice('xmlns:'.length), value);
    else if (!name.includes(':')) attributes.set(name, value);
  }
  const [prefix, name] = splitName(qualifiedName);
  const namespace = namespaces.get(prefix);
  if (namespace === undefined && prefix !== '') throw refused('it uses an undeclared prefix');
  return { qualifiedName, namespaces, node: { name, namespace: namespace ?? '', attributes, children: [], text: '' } };
}

function splitName(qualifiedName: string): [string, string] {
  const colon = qualifiedName.indexOf(':');
  return colon === -1 ? ['', qualifiedName] : [qualifiedName.slice(0, colon), qualifiedName.slice(colon + 1)];
}

function unescape(value: string): string {
  return value.replaceAll(/&([^;&]{0,10});?/g, (whole, body: string) => {
    const known = ENTITIES.get(body);
    if (known !== undefined && whole.endsWith(';')) return known;
    const numeric = /^#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}))$/.exec(body);
    const codePoint =
      numeric === null
        ? Number.NaN
        : Number.parseInt(numeric[1] ?? numeric[2] ?? '', numeric[1] === undefined ? 10 : 16);
    if (!whole.endsWith(';') || !(codePoint > 0 && codePoint <= 0x10_ff_ff)) throw refused('it uses an unknown entity');
    return String.fromCodePoint(codePoint);
  });
}

function refused(why: string): DemoIdpError {
  return new DemoIdpError('XML_REFUSED', `The XML document was refused: ${why}.`);
}
