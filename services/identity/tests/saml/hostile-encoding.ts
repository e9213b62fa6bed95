/** Bytes, characters and XML shapes that never become a message, and those that only exist to cost us time. */
import type { HostileCase } from './hostile.ts';

const base64 = (bytes: string | Buffer): string => Buffer.from(bytes as string).toString('base64');
const repeated = (text: string, count: number): string => text.repeat(count);
const inAssertion =
  (inner: string) =>
  (xml: string): string =>
    xml.replace('<saml:Subject>', () => `${inner}<saml:Subject>`);
const inNameId =
  (inner: string) =>
  (xml: string): string =>
    xml.replace('00u1', () => inner);

export const encodingCases: readonly HostileCase[] = [
  { name: 'nothing', reason: 'MESSAGE_MISSING', encode: () => '' },
  { name: 'not base64', reason: 'BASE64_MALFORMED', encode: () => '%%%' },
  { name: 'base64 with bits beyond its padding', reason: 'BASE64_MALFORMED', encode: () => 'PEI=PEI=' },
  { name: 'base64url', reason: 'BASE64_MALFORMED', encode: () => '_-_-' },
  { name: 'a message of 300 KiB', reason: 'MESSAGE_TOO_LARGE', encode: () => base64(repeated(' ', 300 * 1024)) },
  { name: 'a message of 1 MiB', reason: 'MESSAGE_TOO_LARGE', encode: () => base64(repeated('x', 1024 * 1024)) },
  { name: 'UTF-16', reason: 'ENCODING_NOT_UTF8', encode: (xml) => base64(Buffer.from(`\uFEFF${xml}`, 'utf16le')) },
  { name: 'Latin-1 bytes', reason: 'ENCODING_NOT_UTF8', encode: () => base64(Buffer.from([0x3c, 0x61, 0xe9, 0x3e])) },
  {
    name: 'a declared foreign encoding',
    reason: 'ENCODING_NOT_UTF8',
    encode: (xml) => base64(`<?xml version="1.0" encoding="ISO-8859-1"?>${xml}`),
  },
  {
    name: 'UTF-7 declared',
    reason: 'ENCODING_NOT_UTF8',
    encode: (xml) => base64(`<?xml version="1.0" encoding="UTF-7"?>${xml}`),
  },
  { name: 'not XML', reason: 'XML_MALFORMED', encode: () => base64('hello') },
  { name: 'an unclosed element', reason: 'XML_MALFORMED', encode: (xml) => base64(xml.slice(0, -3)) },
  { name: 'text after the root', reason: 'XML_MALFORMED', encode: (xml) => base64(`${xml}x`) },
  { name: 'two roots', reason: 'XML_MALFORMED', encode: (xml) => base64(xml + xml) },
  { name: 'a NUL character', reason: 'XML_MALFORMED', encode: (xml) => base64(xml.replace('00u1', '00u\u00001')) },
  { name: 'a reference to NUL', reason: 'XML_MALFORMED', response: { afterSigning: inNameId('00u1&#0;') } },
  {
    name: 'the same attribute twice',
    reason: 'XML_MALFORMED',
    response: { afterSigning: (xml) => xml.replace('ID="_a1"', 'ID="_a1" ID="_b1"') },
  },
  {
    name: 'an undeclared prefix',
    reason: 'NAMESPACE_INVALID',
    response: { afterSigning: (xml) => xml.replace('<saml:Subject>', '<x:Subject>') },
  },
  {
    name: 'the xml prefix bound to SAML',
    reason: 'NAMESPACE_INVALID',
    response: {
      afterSigning: (xml) => xml.replace('ID="_a1"', 'ID="_a1" xmlns:xml="urn:oasis:names:tc:SAML:2.0:assertion"'),
    },
  },
  {
    name: 'SAML names in another namespace',
    reason: 'ELEMENT_FORBIDDEN',
    response: { beforeSigning: (xml) => xml.replace('<saml:Subject>', '<saml:Subject xmlns:saml="urn:evil">') },
  },
  { name: 'a DOCTYPE', reason: 'DOCTYPE_FORBIDDEN', encode: (xml) => base64(`<!DOCTYPE r>${xml}`) },
  {
    name: 'an external entity (XXE)',
    reason: 'DOCTYPE_FORBIDDEN',
    encode: (xml) =>
      base64(
        `<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>${xml.replace('00u1', '&x;')}`,
      ),
  },
  {
    name: 'entity expansion',
    reason: 'DOCTYPE_FORBIDDEN',
    encode: (xml) => base64(`<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>${xml}`),
  },
  {
    name: 'an ATTLIST that makes an ID',
    reason: 'DOCTYPE_FORBIDDEN',
    encode: (xml) => base64(`<!DOCTYPE r [<!ATTLIST saml:Assertion x ID #IMPLIED>]>${xml}`),
  },
  {
    name: 'a DOCTYPE inside the root',
    reason: 'DOCTYPE_FORBIDDEN',
    response: { afterSigning: inAssertion('<!DOCTYPE r>') },
  },
  { name: 'an undeclared entity', reason: 'ENTITY_FORBIDDEN', response: { afterSigning: inNameId('&admin;') } },
  {
    name: 'a comment inside NameID',
    reason: 'COMMENT_FORBIDDEN',
    response: { afterSigning: inNameId('00u1<!-- -->.evil.example') },
  },
  { name: 'a comment before the root', reason: 'COMMENT_FORBIDDEN', encode: (xml) => base64(`<!-- x -->${xml}`) },
  { name: 'a comment after the root', reason: 'COMMENT_FORBIDDEN', encode: (xml) => base64(`${xml}<!-- x -->`) },
  {
    name: 'a comment inside DigestValue',
    reason: 'COMMENT_FORBIDDEN',
    response: { afterSigning: (xml) => xml.replace('<ds:DigestValue>', '<ds:DigestValue><!--AAAA-->') },
  },
  {
    name: 'a processing instruction inside NameID',
    reason: 'PROCESSING_INSTRUCTION_FORBIDDEN',
    response: { afterSigning: inNameId('00u1<?x y?>') },
  },
  {
    name: 'a style sheet instruction',
    reason: 'PROCESSING_INSTRUCTION_FORBIDDEN',
    encode: (xml) => base64(`<?xml-stylesheet href="x"?>${xml}`),
  },
  { name: 'CDATA inside NameID', reason: 'CDATA_FORBIDDEN', response: { afterSigning: inNameId('<![CDATA[00u1]]>') } },
  {
    name: 'CDATA around a forged Assertion',
    reason: 'CDATA_FORBIDDEN',
    response: { afterSigning: inAssertion('<![CDATA[<saml:Assertion/>]]>') },
  },
  {
    name: '2,001 elements',
    reason: 'TOO_MANY_ELEMENTS',
    response: { afterSigning: inAssertion(repeated('<x/>', 2_001)) },
  },
  {
    name: '40,000 sibling elements',
    reason: 'TOO_MANY_ELEMENTS',
    response: { afterSigning: inAssertion(repeated('<x/>', 40_000)) },
  },
  { name: 'nesting of 10,000', reason: 'TOO_DEEP', response: { afterSigning: inAssertion(repeated('<x>', 10_000)) } },
  { name: 'nesting of 33', reason: 'TOO_DEEP', response: { afterSigning: inAssertion(repeated('<x>', 33)) } },
  {
    name: '33 attributes on one element',
    reason: 'TOO_MANY_ATTRIBUTES',
    response: {
      afterSigning: inAssertion(`<x${Array.from({ length: 33 }, (_, index) => ` a${index}=""`).join('')}/>`),
    },
  },
  {
    name: '65 namespaces',
    reason: 'TOO_MANY_NAMESPACES',
    response: {
      afterSigning: inAssertion(Array.from({ length: 65 }, (_, index) => `<x xmlns:n${index}="urn:n"/>`).join('')),
    },
  },
  { name: 'a value of 200 KiB', reason: 'NAME_ID_INVALID', response: { nameIdXml: repeated('a', 200 * 1024) } },
  {
    name: 'thousands of ampersands',
    reason: 'XML_MALFORMED',
    response: { afterSigning: inNameId(repeated('&', 50_000)) },
  },
  {
    name: 'thousands of unclosed quotes',
    reason: 'XML_MALFORMED',
    response: { afterSigning: inAssertion(`<x a=${repeated('"', 50_001)}`) },
  },
];
