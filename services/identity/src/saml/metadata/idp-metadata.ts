import { X509Certificate } from 'node:crypto';

import { AppError, isAppError } from '@sallyport/errors';

import type { LogoutEndpoint } from '../facet/facet-store.ts';
import { refuse, SamlRefusal } from '../reasons.ts';
import { HTTP_POST, HTTP_REDIRECT } from './sp-metadata.ts';
import { DS, SAMLP } from '../verify/names.ts';
import { decodeBase64, signatureOf, usableKeys, verifiedBytes } from '../verify/signature.ts';
import { instantOf } from '../verify/time.ts';
import type { XmlLimits } from '../xml/limits.ts';
import { parseXml } from '../xml/parse.ts';
import { attributeOf, childrenNamed, descendants, textOf, type XmlElement } from '../xml/tree.ts';

const MD = 'urn:oasis:names:tc:SAML:2.0:metadata';
const KIB = 1024;

/** Metadata may be larger than a login message: Entra lists WS-Federation roles and claims as well. */
export const METADATA_LIMITS: XmlLimits = Object.freeze({
  maxBytes: 512 * KIB,
  maxElements: 5_000,
  maxDepth: 32,
  maxAttributes: 64,
  maxNamespaces: 64,
});

/** More is refused: each is tried at every login. */
export const MAX_CERTIFICATES = 8;

/** What is pinned of an identity provider. */
export interface IdpDescription {
  readonly entityId: string;
  readonly ssoUrl: string;
  readonly logout: LogoutEndpoint | null;
  /** PEM. */
  readonly certificates: readonly string[];
  readonly wantsSignedRequests: boolean;
  readonly validUntil: Date | null;
}

/** How a document is trusted. */
export interface MetadataTrust {
  /** PEM; with any, the document must be signed by one of them. */
  readonly pins: readonly string[];
  readonly now: Date;
}

/** A document that cannot be taken. */
export const invalidMetadata = (detail: string): AppError =>
  new AppError('INVALID_VALUE', detail, { fields: [{ pointer: '/metadataXml', code: 'saml-metadata', detail }] });

/**
 * Reads what a login needs from metadata, with the same strict reader as the messages (comments are skipped here).
 * Without pins its signature proves nothing to us: the administrator vouches for the document or its address. With
 * them, only what the signature covers is read.
 * @throws INVALID_VALUE saying what is missing
 * @see SAML Metadata 2.0 §2.3-§2.4
 */
export const readIdpMetadata = (xml: string, trust: MetadataTrust): IdpDescription => {
  const entity = trusted(xml, trust);
  const isEntity = entity.namespace === MD && entity.localName === 'EntityDescriptor';
  if (!isEntity) throw invalidMetadata('The document is not the metadata of one entity (EntityDescriptor).');
  const entityId = attributeOf(entity, 'entityID') ?? '';
  if (entityId === '') throw invalidMetadata('The metadata names no entityID.');
  const role = childrenNamed(entity, MD, 'IDPSSODescriptor').find((descriptor) =>
    (attributeOf(descriptor, 'protocolSupportEnumeration') ?? '').split(/\s+/).includes(SAMLP),
  );
  if (role === undefined)
    throw invalidMetadata('The metadata describes no SAML 2.0 identity provider (IDPSSODescriptor).');
  const validUntil = endOf(entity, role);
  if (validUntil !== null && validUntil <= trust.now)
    throw invalidMetadata('The metadata is no longer valid (validUntil).');
  const certificates = [...new Set(signingCertificates(role))];
  if (certificates.length === 0) throw invalidMetadata('The metadata holds no signing certificate.');
  if (certificates.length > MAX_CERTIFICATES)
    throw invalidMetadata('The metadata holds more than eight signing certificates.');
  return {
    entityId,
    ssoUrl: redirectEndpoint(role),
    logout: logoutEndpoint(role),
    certificates,
    wantsSignedRequests: ['true', '1'].includes(attributeOf(role, 'WantAuthnRequestsSigned') ?? ''),
    validUntil,
  };
};

/** A document that a thread has read, or what is wrong with it: errors do not travel. */
export interface MetadataReading {
  readonly ok: true;
  readonly metadata: IdpDescription | { readonly problem: string };
}

/** {@link readIdpMetadata}, with what is wrong with a document as a value. */
export const tryIdpMetadata = (xml: string, trust: MetadataTrust): MetadataReading => {
  try {
    return { ok: true, metadata: readIdpMetadata(xml, trust) };
  } catch (error) {
    if (!isAppError(error) || error.code !== 'INVALID_VALUE') throw error;
    return { ok: true, metadata: { problem: error.message } };
  }
};

const trusted = (xml: string, { pins, now }: MetadataTrust): XmlElement => {
  try {
    const document = parseXml(Buffer.from(withoutComments(xml), 'utf8'), METADATA_LIMITS);
    if (pins.length === 0) return document;
    const signature = signatureOf(document) ?? refuse('SIGNATURE_MISSING');
    return parseXml(verifiedBytes(document, signature, usableKeys(pins, now.getTime())), METADATA_LIMITS);
  } catch (error) {
    if (error instanceof SamlRefusal) throw invalidMetadata(`The metadata cannot be taken: ${error.reason}.`);
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

/** The earlier of the two ends a document may name. */
const endOf = (entity: XmlElement, role: XmlElement): Date | null => {
  try {
    const ends = [entity, role].map((element) => instantOf(element, 'validUntil')).filter((end) => end !== null);
    return ends.length === 0 ? null : new Date(Math.min(...ends));
  } catch (error) {
    if (error instanceof SamlRefusal) throw invalidMetadata('The metadata has a validUntil that is no time.');
    throw error;
  }
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
  throw invalidMetadata('A certificate in the metadata is not an X.509 certificate.');
};

const endpoint = (role: XmlElement, name: string, binding: string): XmlElement | undefined =>
  childrenNamed(role, MD, name).find(
    (candidate) => attributeOf(candidate, 'Binding') === binding && attributeOf(candidate, 'Location') !== null,
  );

const redirectEndpoint = (role: XmlElement): string => {
  const service = endpoint(role, 'SingleSignOnService', HTTP_REDIRECT);
  const location = service === undefined ? null : attributeOf(service, 'Location');
  if (location === null) throw invalidMetadata('The metadata names no single sign-on address for HTTP-Redirect.');
  return location;
};

/** By redirect where it can be, as that needs nobody to press a button. */
const logoutEndpoint = (role: XmlElement): LogoutEndpoint | null => {
  const redirect = endpoint(role, 'SingleLogoutService', HTTP_REDIRECT);
  const service = redirect ?? endpoint(role, 'SingleLogoutService', HTTP_POST);
  const url = service === undefined ? null : attributeOf(service, 'Location');
  if (service === undefined || url === null) return null;
  const binding = service === redirect ? 'redirect' : 'post';
  return { url, binding, responseUrl: attributeOf(service, 'ResponseLocation') };
};
