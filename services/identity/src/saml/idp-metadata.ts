import { X509Certificate } from 'node:crypto';

import { AppError } from '@sallyport/errors';

import { SamlRefusal } from './reasons.ts';
import { DS, SAMLP } from './verify/names.ts';
import { decodeBase64 } from './verify/signature.ts';
import type { XmlLimits } from './xml/limits.ts';
import { parseXml } from './xml/parse.ts';
import { attributeOf, childrenNamed, descendants, textOf, type XmlElement } from './xml/tree.ts';

const MD = 'urn:oasis:names:tc:SAML:2.0:metadata';
const HTTP_REDIRECT = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect';
const KIB = 1024;

/** Metadata may be larger than a login message: Entra lists WS-Federation roles and claims as well. */
const LIMITS: XmlLimits = Object.freeze({
  maxBytes: 512 * KIB,
  maxElements: 5_000,
  maxDepth: 32,
  maxAttributes: 64,
  maxNamespaces: 64,
});

/** What is pinned of an identity provider. */
export interface IdpDescription {
  readonly entityId: string;
  readonly ssoUrl: string;
  /** PEM. */
  readonly certificates: readonly string[];
  readonly wantsSignedRequests: boolean;
}

const invalid = (detail: string): AppError =>
  new AppError('INVALID_VALUE', detail, { fields: [{ pointer: '/metadataXml', code: 'saml-metadata', detail }] });

/**
 * Reads what a login needs from the metadata an administrator uploads, with the same strict reader as the messages
 * (comments are skipped here). Its signature proves nothing to us: the administrator vouches for the document.
 * @throws INVALID_VALUE saying what is missing
 * @see SAML Metadata 2.0 §2.3-§2.4
 */
export const readIdpMetadata = (xml: string): IdpDescription => {
  const entity = parsed(xml);
  const isEntity = entity.namespace === MD && entity.localName === 'EntityDescriptor';
  if (!isEntity) throw invalid('The document is not the metadata of one entity (EntityDescriptor).');
  const entityId = attributeOf(entity, 'entityID') ?? '';
  if (entityId === '') throw invalid('The metadata names no entityID.');
  const role = childrenNamed(entity, MD, 'IDPSSODescriptor').find((descriptor) =>
    (attributeOf(descriptor, 'protocolSupportEnumeration') ?? '').split(/\s+/).includes(SAMLP),
  );
  if (role === undefined) throw invalid('The metadata describes no SAML 2.0 identity provider (IDPSSODescriptor).');
  const certificates = signingCertificates(role);
  if (certificates.length === 0) throw invalid('The metadata holds no signing certificate.');
  return {
    entityId,
    ssoUrl: redirectEndpoint(role),
    certificates,
    wantsSignedRequests: ['true', '1'].includes(attributeOf(role, 'WantAuthnRequestsSigned') ?? ''),
  };
};

const parsed = (xml: string): XmlElement => {
  try {
    return parseXml(Buffer.from(withoutComments(xml), 'utf8'), LIMITS);
  } catch (error) {
    if (error instanceof SamlRefusal) throw invalid(`The metadata cannot be read: ${error.reason}.`);
    throw error;
  }
};

/** Comments cannot stand where they would change a value: "<" is not allowed inside attributes, CDATA is refused. */
const withoutComments = (xml: string): string => {
  let rest = '';
  let from = 0;
  for (let start = xml.indexOf('<!--'); start !== -1; start = xml.indexOf('<!--', from)) {
    const end = xml.indexOf('-->', start + 4);
    if (end === -1) break;
    rest += xml.slice(from, start);
    from = end + 3;
  }
  return rest + xml.slice(from);
};

/** Key descriptors without a use are for signing too. */
const signingCertificates = (role: XmlElement): string[] =>
  childrenNamed(role, MD, 'KeyDescriptor')
    .filter((descriptor) => attributeOf(descriptor, 'use') !== 'encryption')
    .flatMap((descriptor) => descendants(descriptor))
    .filter((element) => element.namespace === DS && element.localName === 'X509Certificate')
    .map((element) => toPem(textOf(element)));

const toPem = (base64: string): string => {
  const der = decodeBase64(base64);
  try {
    if (der !== null) return new X509Certificate(der).toString();
  } catch {
    // Reported below, as what it is to whoever uploaded it.
  }
  throw invalid('A certificate in the metadata is not an X.509 certificate.');
};

const redirectEndpoint = (role: XmlElement): string => {
  const service = childrenNamed(role, MD, 'SingleSignOnService').find(
    (candidate) => attributeOf(candidate, 'Binding') === HTTP_REDIRECT,
  );
  const location = service === undefined ? null : attributeOf(service, 'Location');
  if (location === null) throw invalid('The metadata names no single sign-on address for HTTP-Redirect.');
  return location;
};
