/** Properly signed messages that say something they must not say. */
import type { HostileCase } from './hostile.ts';

const other = 'https://other.example/acs';

export const semanticCases: readonly HostileCase[] = [
  { name: 'other Assertion issuer', reason: 'ISSUER_MISMATCH', response: { assertionIssuer: 'https://evil.example' } },
  { name: 'other Response issuer', reason: 'ISSUER_MISMATCH', response: { responseIssuer: 'https://evil.example' } },
  {
    name: 'issuer with trailing space',
    reason: 'ISSUER_MISMATCH',
    response: { assertionIssuer: 'https://idp.example/saml ' },
  },
  {
    name: 'signed Response without issuer',
    reason: 'ISSUER_MISSING',
    response: { sign: 'response', responseIssuer: null },
  },
  { name: 'other Destination', reason: 'DESTINATION_MISMATCH', response: { destination: other } },
  {
    name: 'other Destination, unsigned part',
    reason: 'DESTINATION_MISMATCH',
    only: 'assertion',
    response: { afterSigning: (xml) => xml.replace(/Destination="[^"]*"/, `Destination="${other}"`) },
  },
  {
    name: 'signed Response without Destination',
    reason: 'DESTINATION_MISSING',
    response: { sign: 'response', destination: null },
  },
  { name: 'other Recipient', reason: 'RECIPIENT_MISMATCH', response: { recipient: other } },
  { name: 'no Recipient', reason: 'CONFIRMATION_INCOMPLETE', response: { recipient: null } },
  { name: 'other Audience', reason: 'AUDIENCE_MISMATCH', response: { audiences: [['https://other.example']] } },
  {
    name: 'one of two AudienceRestrictions leaves us out',
    reason: 'AUDIENCE_MISMATCH',
    response: { audiences: [['https://sp.example/saml'], ['https://other.example']] },
  },
  {
    name: 'Audience that merely starts like ours',
    reason: 'AUDIENCE_MISMATCH',
    response: { audiences: [['https://sp.example/saml.evil.example']] },
  },
  { name: 'no AudienceRestriction', reason: 'AUDIENCE_MISSING', response: { audiences: [] } },
  { name: 'no Conditions', reason: 'CONDITIONS_MISSING', response: { conditions: false } },
  {
    name: 'status Requester',
    reason: 'STATUS_NOT_SUCCESS',
    response: { status: 'urn:oasis:names:tc:SAML:2.0:status:Requester' },
  },
  {
    name: 'signed failure without Assertion',
    reason: 'STATUS_NOT_SUCCESS',
    response: {
      sign: 'response',
      status: 'urn:oasis:names:tc:SAML:2.0:status:Responder',
      beforeSigning: (xml) => xml.replace(/<saml:Assertion .*<\/saml:Assertion>/s, ''),
    },
  },
  {
    name: 'signed Success without Assertion',
    reason: 'ASSERTION_MISSING',
    response: { sign: 'response', beforeSigning: (xml) => xml.replace(/<saml:Assertion .*<\/saml:Assertion>/s, '') },
  },
  {
    name: 'signed Success without Assertion, where Assertions are to be signed',
    reason: 'ASSERTION_MISSING',
    response: { sign: 'response', beforeSigning: (xml) => xml.replace(/<saml:Assertion .*<\/saml:Assertion>/s, '') },
    expected: { requireSignedAssertion: true },
  },
  {
    name: 'holder-of-key confirmation',
    reason: 'CONFIRMATION_METHOD_FORBIDDEN',
    response: { method: 'urn:oasis:names:tc:SAML:2.0:cm:holder-of-key' },
  },
  {
    name: 'sender-vouches confirmation',
    reason: 'CONFIRMATION_METHOD_FORBIDDEN',
    response: { method: 'urn:oasis:names:tc:SAML:2.0:cm:sender-vouches' },
  },
  { name: 'no InResponseTo in the Assertion', reason: 'UNSOLICITED_FORBIDDEN', response: { inResponseTo: null } },
  {
    name: 'InResponseTo only in the unsigned Response',
    reason: 'UNSOLICITED_FORBIDDEN',
    response: { inResponseTo: null, responseInResponseTo: '_request1' },
  },
  {
    name: 'Response and Assertion answer different requests',
    reason: 'IN_RESPONSE_TO_CONFLICT',
    response: { responseInResponseTo: '_request2' },
  },
  { name: 'SAML 1.1 version', reason: 'VERSION_UNSUPPORTED', response: { version: '1.1' } },
  {
    name: 'transient NameID',
    reason: 'NAME_ID_TRANSIENT',
    response: { nameIdFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient' },
  },
  { name: 'empty NameID', reason: 'NAME_ID_INVALID', response: { nameIdXml: '' } },
  { name: 'NameID of spaces', reason: 'NAME_ID_INVALID', response: { nameIdXml: '  ' } },
  { name: 'NameID with a line break', reason: 'NAME_ID_INVALID', response: { nameIdXml: '00u1\n' } },
  { name: 'NameID with an invisible character', reason: 'NAME_ID_INVALID', response: { nameIdXml: '00u\u200B1' } },
  { name: 'NameID with a bidirectional override', reason: 'NAME_ID_INVALID', response: { nameIdXml: '00u\u202E1' } },
  {
    name: 'NameID whose qualifiers no index can hold',
    reason: 'NAME_ID_INVALID',
    response: { nameIdFormat: `urn:${'f'.repeat(1_500)}` },
  },
  {
    name: 'session index of 513 characters',
    reason: 'SESSION_INDEX_INVALID',
    response: { sessionIndex: 'x'.repeat(513) },
  },
  { name: 'NameID of 513 characters', reason: 'NAME_ID_INVALID', response: { nameIdXml: 'x'.repeat(513) } },
  {
    name: 'an element inside NameID',
    reason: 'ELEMENT_FORBIDDEN',
    response: { nameIdXml: 'admin<x></x>@example.com' },
  },
  {
    name: 'two NameIDs',
    reason: 'ELEMENT_REPEATED',
    response: { beforeSigning: (xml) => xml.replace(/(<saml:NameID .*?<\/saml:NameID>)/, '$1$1') },
  },
  {
    name: 'no NameID',
    reason: 'ELEMENT_MISSING',
    response: { beforeSigning: (xml) => xml.replace(/<saml:NameID .*?<\/saml:NameID>/, '') },
  },
  {
    name: 'two AuthnStatements',
    reason: 'ELEMENT_REPEATED',
    response: { beforeSigning: (xml) => xml.replace(/(<saml:AuthnStatement .*?<\/saml:AuthnStatement>)/, '$1$1') },
  },
  {
    name: 'no AuthnStatement',
    reason: 'ELEMENT_MISSING',
    response: {
      attributes: [['a', ['b']]],
      beforeSigning: (xml) => xml.replace(/<saml:AuthnStatement .*?<\/saml:AuthnStatement>/, ''),
    },
  },
  {
    name: 'two SubjectConfirmations',
    reason: 'ELEMENT_REPEATED',
    response: {
      beforeSigning: (xml) => xml.replace(/(<saml:SubjectConfirmation .*?<\/saml:SubjectConfirmation>)/, '$1$1'),
    },
  },
  {
    name: 'an encrypted attribute',
    reason: 'ELEMENT_FORBIDDEN',
    response: {
      attributes: [['a', ['b']]],
      beforeSigning: (xml) => xml.replace('<saml:Attribute ', '<saml:EncryptedAttribute/><saml:Attribute '),
    },
  },
  {
    name: '1,001 attribute values',
    reason: 'TOO_MANY_VALUES',
    response: { attributes: [['groups', Array.from({ length: 1_001 }, (_, index) => `g${index}`)]] },
  },
  {
    name: '1,002 values in two attributes',
    reason: 'TOO_MANY_VALUES',
    response: {
      attributes: ['groups', 'roles'].map(
        (name) => [name, Array.from({ length: 501 }, (_, index) => `v${index}`)] as const,
      ),
    },
  },
  {
    name: 'an Assertion without an ID in a signed Response',
    reason: 'ATTRIBUTE_MISSING',
    response: {
      sign: 'response',
      beforeSigning: (xml) => xml.replace(/(<saml:Assertion [^>]*?) ID="[^"]*"/, '$1'),
    },
  },
  {
    name: 'an attribute of the signature vocabulary on an Attribute',
    reason: 'ATTRIBUTE_FORBIDDEN',
    response: {
      attributes: [['a', ['b']]],
      beforeSigning: (xml) =>
        xml.replace('<saml:Attribute ', '<saml:Attribute xmlns:d="http://www.w3.org/2000/09/xmldsig#" d:ID="x" '),
    },
  },
  {
    name: 'an Attribute without a name',
    reason: 'ATTRIBUTE_MISSING',
    response: { attributes: [['a', ['b']]], beforeSigning: (xml) => xml.replace(' Name="a"', '') },
  },
  {
    name: 'a confirmation without data',
    reason: 'CONFIRMATION_INCOMPLETE',
    response: {
      beforeSigning: (xml) => xml.replace(/<saml:SubjectConfirmationData .*?<\/saml:SubjectConfirmationData>/, ''),
    },
  },
  { name: 'a duplicate ID', reason: 'ID_DUPLICATE', response: { assertionId: '_same', responseId: '_same' } },
  {
    name: 'an ID with an entity in it',
    reason: 'ID_MALFORMED',
    only: 'assertion',
    response: { beforeSigning: (xml) => xml.replace('ID="_r1"', 'ID="_r1&#x20;x"') },
  },
  {
    name: 'an unknown attribute on the Assertion',
    reason: 'ATTRIBUTE_FORBIDDEN',
    response: { beforeSigning: (xml) => xml.replace('ID="_a1"', 'ID="_a1" id="_a1"') },
  },
  {
    name: 'xml:id on the Assertion',
    reason: 'ATTRIBUTE_FORBIDDEN',
    response: { beforeSigning: (xml) => xml.replace('ID="_a1"', 'ID="_a1" xml:id="_b"') },
  },
  {
    name: 'a namespaced ID attribute (attribute pollution)',
    reason: 'ATTRIBUTE_FORBIDDEN',
    response: { beforeSigning: (xml) => xml.replace('ID="_a1"', 'ID="_a1" xmlns:samlq="urn:q" samlq:ID="_b"') },
  },
];
