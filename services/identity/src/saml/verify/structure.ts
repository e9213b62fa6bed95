/**
 * Holds messages against the structural allow-list ({@link RULES}). It replaces schema validation. Everything not named here is refused, above all the places where a second assertion
 * or signature can hide (Extensions, Advice, ds:Object, foreign elements): the published wrapping shapes fail here
 * before any signature is looked at.
 * @see SAML Core 2.0 §2-§3 (schema order), XML Signature 1.1 §4
 */
import { refuse } from '../reasons.ts';
import { attributeOf, childElements, descendants, textOf, type XmlElement } from '../xml/tree.ts';
import { DS, DS11 } from './names.ts';
import { NAMESPACES, RULES, type Child, type Rule } from './rules.ts';

const MAX_VALUES = 1_000;
/** xs:ID without characters that need care anywhere. */
const ID = /^[A-Za-z_][A-Za-z0-9._-]{0,127}$/;

/** An element as the rules call it; foreign namespaces never match a rule. */
const ruleName = (element: XmlElement): string => `${NAMESPACES.get(element.namespace) ?? '?'}:${element.localName}`;

/**
 * Checks a whole response against the allow-list.
 * 1. the root is a samlp:Response; a second assertion, plain or encrypted and wherever it hides, is named as such;
 * 2. every element, attribute and text stands where a rule lets it stand;
 * 3. every ID is well-formed and unique, ds:Id included; only `ID` and `Id` exist.
 * @throws SamlRefusal
 */
export function checkResponseStructure(root: XmlElement): void {
  if (ruleName(root) !== 'samlp:Response') refuse('ROOT_NOT_RESPONSE');
  checkAssertionCount(root);
  checkElement(root);
  checkIds(root);
}

/**
 * The same check for an assertion on its own: the canonical bytes of one that is signed itself, or one that was
 * decrypted out of `carrier`, whose IDs it must not repeat.
 * @throws SamlRefusal
 */
export function checkAssertionStructure(root: XmlElement, carrier: XmlElement | null = null): void {
  if (ruleName(root) !== 'saml:Assertion') refuse('ASSERTION_MISSING');
  checkAssertionCount(root);
  checkElement(root);
  checkIds(root, ...(carrier === null ? [] : [carrier]));
}

/** The same check for a logout message. @throws SamlRefusal ROOT_NOT_LOGOUT when the root is not the kind it came as */
export function checkLogoutStructure(root: XmlElement, kind: 'LogoutRequest' | 'LogoutResponse'): void {
  if (ruleName(root) !== `samlp:${kind}`) refuse('ROOT_NOT_LOGOUT');
  checkElement(root);
  checkIds(root);
}

function checkAssertionCount(root: XmlElement): void {
  const names = descendants(root).map(ruleName);
  const assertions = names.filter((name) => name === 'saml:Assertion' || name === 'saml:EncryptedAssertion');
  if (assertions.length > 1) refuse('ASSERTION_MULTIPLE');
}

function checkElement(element: XmlElement, parent = ''): void {
  const name = ruleName(element);
  const rule = RULES.get(`${parent}>${name}`) ?? RULES.get(name);
  if (rule === undefined && name === 'ds:KeyInfo') return checkKeyInfo(element);
  if (rule === undefined) return refuse('ELEMENT_FORBIDDEN', name);
  checkAttributes(element, name, rule);
  if (rule.text !== true && textOf(element).trim() !== '') refuse('TEXT_FORBIDDEN', name);
  checkChildren(element, name, rule.children ?? []);
}

function checkAttributes(element: XmlElement, name: string, rule: Rule): void {
  for (const attribute of element.attributes) {
    const prefix = NAMESPACES.get(attribute.namespace);
    const label = attribute.namespace === '' ? attribute.localName : `${prefix ?? '?'}:${attribute.localName}`;
    const foreign =
      rule.foreignAttributes === true && attribute.namespace !== '' && (prefix === undefined || prefix === 'xsi');
    if (!foreign && rule.attributes?.includes(label) !== true) refuse('ATTRIBUTE_FORBIDDEN', `${name}/@${label}`);
  }
}

function checkChildren(element: XmlElement, name: string, allowed: readonly Child[]): void {
  const children = childElements(element);
  let next = 0;
  for (const [childName, occurs] of allowed) {
    const from = next;
    const names = childName.split('|');
    for (let child = children[next]; child !== undefined && names.includes(ruleName(child)); child = children[next]) {
      checkElement(child, name);
      next += 1;
    }
    const count = next - from;
    if (count === 0 && (occurs === '1' || occurs === '+')) refuseAbsent(children[next], name, childName);
    if (count > 1 && (occurs === '1' || occurs === '?')) refuse('ELEMENT_REPEATED', `${name}/${childName}`);
    if (count > MAX_VALUES) refuse('TOO_MANY_VALUES', `${name}/${childName}`);
  }
  const rest = children[next];
  if (rest !== undefined) refuse('ELEMENT_FORBIDDEN', `${name}/${ruleName(rest)}`);
}

/** A stranger in the place of a required child is reported as the stranger. */
function refuseAbsent(found: XmlElement | undefined, parent: string, wanted: string): never {
  if (found !== undefined && !RULES.has(ruleName(found))) refuse('ELEMENT_FORBIDDEN', `${parent}/${ruleName(found)}`);
  return refuse('ELEMENT_MISSING', `${parent}/${wanted}`);
}

/** KeyInfo is never read; it may only hold signature vocabulary, so that nothing signed or asserted can hide in it. */
function checkKeyInfo(keyInfo: XmlElement): void {
  for (const element of descendants(keyInfo)) {
    const known = element.namespace === DS || element.namespace === DS11;
    const hiding = ['Signature', 'Object', 'Manifest', 'SignatureProperties'].includes(element.localName);
    if (!known || hiding) refuse('ELEMENT_FORBIDDEN', 'ds:KeyInfo');
    for (const { namespace, localName } of element.attributes) {
      if (namespace !== '' || !['Id', 'URI', 'Type', 'Algorithm'].includes(localName)) {
        refuse('ATTRIBUTE_FORBIDDEN', 'ds:KeyInfo');
      }
    }
  }
}

function checkIds(...roots: readonly XmlElement[]): void {
  const seen = new Set<string>();
  for (const element of roots.flatMap(descendants)) {
    for (const id of [attributeOf(element, 'ID'), attributeOf(element, 'Id')]) {
      if (id === null) continue;
      if (!ID.test(id)) refuse('ID_MALFORMED');
      if (seen.has(id)) refuse('ID_DUPLICATE');
      seen.add(id);
    }
  }
}
