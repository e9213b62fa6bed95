/**
 * The structural allow-list itself: what may stand where, how often and in which order, as data.
 *
 * Everything not named here is refused, above all the places where a second assertion or signature can hide
 * (Extensions, Advice, ds:Object, foreign elements).
 * @see SAML Core 2.0 §2-§3 (schema order), XML Signature 1.1 §4, XML Encryption 1.1 §3
 */
import { DS, DS11, EXCLUSIVE_C14N, SAML, SAMLP, XENC, XENC11, XSI } from './names.ts';

export type Occurs = '1' | '?' | '+' | '*';
/** `prefix:Name` with the prefixes of {@link NAMESPACES}, in schema order; `|` = any of them, mixed. */
export type Child = readonly [name: string, occurs: Occurs];

export interface Rule {
  readonly attributes?: readonly string[];
  readonly children?: readonly Child[];
  /** Whether the element holds text. Elements with children hold white space only. */
  readonly text?: boolean;
  /** Attributes of other namespaces are let through, unread (Entra: `a:OriginalIssuer`). */
  readonly foreignAttributes?: boolean;
}

export const NAMESPACES: ReadonlyMap<string, string> = new Map([
  [SAMLP, 'samlp'],
  [SAML, 'saml'],
  [DS, 'ds'],
  [DS11, 'ds11'],
  [EXCLUSIVE_C14N, 'ec'],
  [XENC, 'xenc'],
  [XENC11, 'xenc11'],
  [XSI, 'xsi'],
]);

const NAME_ID_ATTRIBUTES = ['Format', 'NameQualifier', 'SPNameQualifier', 'SPProvidedID'];
const ALGORITHM = ['Algorithm'];
const MESSAGE_ATTRIBUTES = ['ID', 'Version', 'IssueInstant', 'Destination', 'Consent'];

/** By name; `parent>name` where the parent makes a difference. */
export const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  [
    'samlp:Response',
    {
      attributes: [...MESSAGE_ATTRIBUTES, 'InResponseTo'],
      children: [
        ['saml:Issuer', '?'],
        ['ds:Signature', '?'],
        ['samlp:Status', '1'],
        ['saml:Assertion|saml:EncryptedAssertion', '?'],
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
    'samlp:LogoutRequest',
    {
      attributes: [...MESSAGE_ATTRIBUTES, 'NotOnOrAfter', 'Reason'],
      children: [
        ['saml:Issuer', '1'],
        ['ds:Signature', '?'],
        ['saml:NameID', '1'],
        ['samlp:SessionIndex', '*'],
      ],
    },
  ],
  ['samlp:SessionIndex', { text: true }],
  [
    'samlp:LogoutResponse',
    {
      attributes: [...MESSAGE_ATTRIBUTES, 'InResponseTo'],
      children: [
        ['saml:Issuer', '1'],
        ['ds:Signature', '?'],
        ['samlp:Status', '1'],
      ],
    },
  ],
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
  [
    'saml:EncryptedAssertion',
    {
      children: [
        ['xenc:EncryptedData', '1'],
        ['xenc:EncryptedKey', '?'], // beside the data, or in its KeyInfo: Core §6.2 leaves both open
      ],
    },
  ],
  [
    'xenc:EncryptedData',
    {
      attributes: ['Id', 'Type', 'MimeType'],
      children: [
        ['xenc:EncryptionMethod', '1'],
        ['ds:KeyInfo', '?'],
        ['xenc:CipherData', '1'],
      ],
    },
  ],
  ['xenc:EncryptedData>ds:KeyInfo', { children: [['xenc:EncryptedKey|ds:RetrievalMethod', '1']] }],
  ['ds:RetrievalMethod', { attributes: ['URI', 'Type'] }],
  [
    'xenc:EncryptedKey',
    {
      attributes: ['Id', 'Recipient'],
      children: [
        ['xenc:EncryptionMethod', '1'],
        ['ds:KeyInfo', '?'],
        ['xenc:CipherData', '1'],
        ['xenc:ReferenceList', '?'],
        ['xenc:CarriedKeyName', '?'],
      ],
    },
  ],
  ['xenc:EncryptionMethod', { attributes: ALGORITHM }],
  [
    'xenc:EncryptedKey>xenc:EncryptionMethod',
    { attributes: ALGORITHM, children: [['ds:DigestMethod|xenc11:MGF', '*']] },
  ],
  ['xenc11:MGF', { attributes: ALGORITHM }],
  ['xenc:CipherData', { children: [['xenc:CipherValue', '1']] }], // CipherReference would be a fetch
  ['xenc:CipherValue', { text: true }],
  ['xenc:ReferenceList', { children: [['xenc:DataReference', '+']] }],
  ['xenc:DataReference', { attributes: ['URI'] }],
  ['xenc:CarriedKeyName', { text: true }],
]);
