/**
 * The structural allow-list of a login response: what may stand where, how often and in which order.
 *
 * It replaces schema validation. Everything not named here is refused, above all the places where a second assertion
 * or signature can hide (Extensions, Advice, ds:Object, foreign elements): the published wrapping shapes fail here
 * before any signature is looked at.
 * @see SAML Core 2.0 §2-§3 (schema order), XML Signature 1.1 §4
 */
import { refuse } from '../reasons.ts';
import { attributeOf, childElements, descendants, textOf, type XmlElement } from '../xml/tree.ts';
import { DS, DS11, EXCLUSIVE_C14N, SAML, SAMLP, XENC, XSI } from './names.ts';

const MAX_VALUES = 1_000;
/** xs:ID without characters that need care anywhere. */
const ID = /^[A-Za-z_][A-Za-z0-9._-]{0,127}$/;

type Occurs = '1' | '?' | '+' | '*';
/** `prefix:Name` with the prefixes of {@link NAMESPACES}, in schema order; `|` = any of them, mixed. */
type Child = readonly [name: string, occurs: Occurs];

interface Rule {
  readonly attributes?: readonly string[];
  readonly children?: readonly Child[];
  /** Whether the element holds text. Elements with children hold white space only. */
  readonly text?: boolean;
  /** Attributes of other namespaces are let through, unread (Entra: `a:OriginalIssuer`). */
  readonly foreignAttributes?: boolean;
}

const NAMESPACES: ReadonlyMap<string, string> = new Map([
  [SAMLP, 'samlp'],
  [SAML, 'saml'],
  [DS, 'ds'],
  [DS11, 'ds11'],
  [EXCLUSIVE_C14N, 'ec'],
  [XENC, 'xenc'],
  [XSI, 'xsi'],
]);

const NAME_ID_ATTRIBUTES = ['Format', 'NameQualifier', 'SPNameQualifier', 'SPProvidedID'];
const ALGORITHM = ['Algorithm'];

const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  [
    'samlp:Response',
    {
      attributes: ['ID', 'Version', 'IssueInstant', 'Destination', 'Consent', 'InResponseTo'],
      children: [
        ['saml:Issuer', '?'],
        ['ds:Signature', '?'],
        ['samlp:Status', '1'],
        ['saml:Assertion', '?'],
      ],
    },
  ],
  [
    'samlp:Status',
    {
      children: [
        ['samlp:StatusCode', '1'],
        ['samlp:StatusMessage', '?'],
        ['samlp:StatusDetail', '?'],
      ],
    },
  ],
  ['samlp:StatusCode', { attributes: ['Value'], children: [['samlp:StatusCode', '?']] }],
  ['samlp:StatusMessage', { text: true }],
  ['samlp:StatusDetail', { text: true }],
  [
    'saml:Assertion',
    {
      attributes: ['ID', 'Version', 'IssueInstant'],
      children: [
        ['saml:Issuer', '1'],
        ['ds:Signature', '?'],
        ['saml:Subject', '1'],
        ['saml:Conditions', '?'],
        ['saml:AuthnStatement|saml:AttributeStatement', '+'], // Okta and Entra differ in their order
      ],
    },
  ],
  ['saml:Issuer', { attributes: NAME_ID_ATTRIBUTES, text: true }],
  [
    'saml:Subject',
    {
      children: [
        ['saml:NameID', '1'],
        ['saml:SubjectConfirmation', '1'],
      ],
    },
  ],
  ['saml:NameID', { attributes: NAME_ID_ATTRIBUTES, text: true }],
  ['saml:SubjectConfirmation', { attributes: ['Method'], children: [['saml:SubjectConfirmationData', '?']] }],
  [
    'saml:SubjectConfirmationData',
    { attributes: ['NotBefore', 'NotOnOrAfter', 'Recipient', 'InResponseTo', 'Address'] },
  ],
  [
    'saml:Conditions',
    {
      attributes: ['NotBefore', 'NotOnOrAfter'],
      children: [['saml:AudienceRestriction|saml:OneTimeUse|saml:ProxyRestriction', '*']],
    },
  ],
  ['saml:AudienceRestriction', { children: [['saml:Audience', '+']] }],
  ['saml:Audience', { text: true }],
  ['saml:OneTimeUse', {}],
  ['saml:ProxyRestriction', { attributes: ['Count'], children: [['saml:Audience', '*']] }],
  [
    'saml:AuthnStatement',
    {
      attributes: ['AuthnInstant', 'SessionIndex', 'SessionNotOnOrAfter'],
      children: [
        ['saml:SubjectLocality', '?'],
        ['saml:AuthnContext', '1'],
      ],
    },
  ],
  ['saml:SubjectLocality', { attributes: ['Address', 'DNSName'] }],
  [
    'saml:AuthnContext',
    {
      children: [
        ['saml:AuthnContextClassRef', '?'],
        ['saml:AuthnContextDeclRef', '?'],
        ['saml:AuthenticatingAuthority', '*'],
      ],
    },
  ],
  ['saml:AuthnContextClassRef', { text: true }],
  ['saml:AuthnContextDeclRef', { text: true }],
  ['saml:AuthenticatingAuthority', { text: true }],
  ['saml:AttributeStatement', { children: [['saml:Attribute', '+']] }],
  [
    'saml:Attribute',
    {
      attributes: ['Name', 'NameFormat', 'FriendlyName'],
      children: [['saml:AttributeValue', '*']],
      foreignAttributes: true,
    },
  ],
  ['saml:AttributeValue', { attributes: ['xsi:type', 'xsi:nil'], text: true }],
  [
    'ds:Signature',
    {
      attributes: ['Id'],
      children: [
        ['ds:SignedInfo', '1'],
        ['ds:SignatureValue', '1'],
        ['ds:KeyInfo', '?'],
      ],
    },
  ],
  [
    'ds:SignedInfo',
    {
      attributes: ['Id'],
      children: [
        ['ds:CanonicalizationMethod', '1'],
        ['ds:SignatureMethod', '1'],
        ['ds:Reference', '1'],
      ],
    },
  ],
  ['ds:CanonicalizationMethod', { attributes: ALGORITHM, children: [['ec:InclusiveNamespaces', '?']] }],
  ['ds:SignatureMethod', { attributes: ALGORITHM }],
  [
    'ds:Reference',
    {
      attributes: ['URI', 'Id', 'Type'],
      children: [
        ['ds:Transforms', '1'],
        ['ds:DigestMethod', '1'],
        ['ds:DigestValue', '1'],
      ],
    },
  ],
  ['ds:Transforms', { children: [['ds:Transform', '+']] }],
  ['ds:Transform', { attributes: ALGORITHM, children: [['ec:InclusiveNamespaces', '?']] }],
  ['ec:InclusiveNamespaces', { attributes: ['PrefixList'] }],
  ['ds:DigestMethod', { attributes: ALGORITHM }],
  ['ds:DigestValue', { text: true }],
  ['ds:SignatureValue', { attributes: ['Id'], text: true }],
]);

/** An element as the rules call it; foreign namespaces never match a rule. */
const ruleName = (element: XmlElement): string => `${NAMESPACES.get(element.namespace) ?? '?'}:${element.localName}`;

/**
 * Checks a whole message against the allow-list.
 * 1. the root is a samlp:Response; an encrypted or second assertion is named as such;
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

/** The same check for the canonical bytes of an assertion that is signed itself. @throws SamlRefusal */
export function checkAssertionStructure(root: XmlElement): void {
  if (ruleName(root) !== 'saml:Assertion') refuse('ASSERTION_MISSING');
  checkElement(root);
  checkIds(root);
}

function checkAssertionCount(root: XmlElement): void {
  let assertions = 0;
  for (const element of descendants(root)) {
    const name = ruleName(element);
    if (name === 'saml:Assertion') assertions += 1;
    if (name === 'saml:EncryptedAssertion' || element.namespace === XENC) refuse('ASSERTION_ENCRYPTED');
  }
  if (assertions > 1) refuse('ASSERTION_MULTIPLE');
}

function checkElement(element: XmlElement): void {
  const name = ruleName(element);
  if (name === 'ds:KeyInfo') return checkKeyInfo(element);
  const rule = RULES.get(name);
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
      checkElement(child);
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

function checkIds(root: XmlElement): void {
  const seen = new Set<string>();
  for (const element of descendants(root)) {
    for (const id of [attributeOf(element, 'ID'), attributeOf(element, 'Id')]) {
      if (id === null) continue;
      if (!ID.test(id)) refuse('ID_MALFORMED');
      if (seen.has(id)) refuse('ID_DUPLICATE');
      seen.add(id);
    }
  }
}
