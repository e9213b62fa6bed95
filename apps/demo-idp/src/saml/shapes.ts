import type { Flavor } from '../config.ts';
import { immutableId, type Person } from '../directory/people.ts';
import type { SignMode } from '../state/state.ts';

/** The habits that make a response look like one vendor's. */
export interface ResponseShape {
  readonly protocolPrefix: 'saml2p' | 'samlp';
  /** '' = the assertion namespace is the default one. */
  readonly assertionPrefix: 'saml2' | '';
  readonly signaturePrefix: 'ds' | '';
  readonly xmlDeclaration: boolean;
  /** `xsi:type="xs:string"` on every attribute value, and `xs` in the list of inclusive prefixes. */
  readonly typedValues: boolean;
  /** NameFormat of attributes; null = left out. */
  readonly attributeNameFormat: string | null;
  readonly issuerFormat: string | null;
  /** Okta states the authentication before the attributes, Entra after them. */
  readonly authnStatementFirst: boolean;
  readonly idPrefix: 'id' | '_';
  readonly sign: SignMode;
}

/** One attribute with all its values. */
export interface SamlAttribute {
  readonly name: string;
  readonly values: readonly string[];
}

/** The tenant id the demo company has at Entra. */
export const ENTRA_TENANT_ID = '6c1f0a9e-2b7d-4d53-9f0e-acde00000001';

const UNSPECIFIED_NAME = 'urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified';

export const RESPONSE_SHAPES: Readonly<Record<Flavor, ResponseShape>> = {
  okta: {
    protocolPrefix: 'saml2p',
    assertionPrefix: 'saml2',
    signaturePrefix: 'ds',
    xmlDeclaration: true,
    typedValues: true,
    attributeNameFormat: UNSPECIFIED_NAME,
    issuerFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:entity',
    authnStatementFirst: true,
    idPrefix: 'id',
    sign: 'both',
  },
  entra: {
    protocolPrefix: 'samlp',
    assertionPrefix: '',
    signaturePrefix: '',
    xmlDeclaration: false,
    typedValues: false,
    attributeNameFormat: null,
    issuerFormat: null,
    authnStatementFirst: false,
    idPrefix: '_',
    sign: 'assertion',
  },
};

/** What the assertion says about a person, in the vocabulary of the identity provider being played. */
export function personAttributes(
  flavor: Flavor,
  person: Person,
  { issuer, groups }: { issuer: string; groups: readonly string[] },
): SamlAttribute[] {
  const one = (name: string, value: string): SamlAttribute => ({ name, values: [value] });
  if (flavor === 'okta') {
    const attributes = [
      one('userId', immutableId(person, 'okta')),
      one('login', person.userName),
      one('email', person.email),
      one('firstName', person.givenName),
      one('lastName', person.familyName),
      one('displayName', person.displayName),
    ];
    return groups.length === 0 ? attributes : [...attributes, { name: 'groups', values: groups }];
  }
  const claims = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims';
  const microsoft = 'http://schemas.microsoft.com/identity/claims';
  const attributes = [
    one(`${microsoft}/tenantid`, ENTRA_TENANT_ID),
    one(`${microsoft}/objectidentifier`, immutableId(person, 'entra')),
    one(`${microsoft}/displayname`, person.displayName),
    one(`${microsoft}/identityprovider`, issuer),
    one(
      'http://schemas.microsoft.com/claims/authnmethodsreferences',
      'http://schemas.microsoft.com/claims/multipleauthn',
    ),
    one(`${claims}/givenname`, person.givenName),
    one(`${claims}/surname`, person.familyName),
    one(`${claims}/emailaddress`, person.email),
    one(`${claims}/name`, person.userName),
  ];
  const groupsName = 'http://schemas.microsoft.com/ws/2008/06/identity/claims/groups';
  return groups.length === 0 ? attributes : [...attributes, { name: groupsName, values: groups }];
}
