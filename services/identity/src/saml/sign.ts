/**
 * Signatures over what we send: enveloped ones inside a document, detached ones over a query string.
 * @see XML Signature 1.1 §4, SAML Bindings 2.0 §3.4.4.1
 */
import { createHash, sign } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';

import type { KeyPair } from './key-pairs.ts';
import { DS, ENVELOPED_SIGNATURE, EXCLUSIVE_C14N } from './verify/names.ts';
import { element, nothing, text, type CanonicalXml } from './xml/write.ts';

export const RSA_SHA256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';
const SHA256 = 'http://www.w3.org/2001/04/xmlenc#sha256';

/** Certificates inside KeyInfo are base64 of their DER form. */
export const certificateBody = (pem: string): string =>
  pem.replaceAll(/-----(?:BEGIN|END) CERTIFICATE-----/g, '').replaceAll(/\s+/g, '');

/** A KeyInfo with one certificate. @param namespaces its declaration, where nothing around it has made it */
export const keyInfo = (certificate: string, namespaces: Readonly<Record<string, string>> = {}): CanonicalXml =>
  element(
    'ds:KeyInfo',
    namespaces,
    element('ds:X509Data', {}, element('ds:X509Certificate', {}, text(certificateBody(certificate)))),
  );

/**
 * A document with an enveloped signature over its root.
 * @param write the root with this signature in its place; called once without one, which is what gets signed
 * @param id the root's ID
 */
export const signedDocument = (write: (signature: CanonicalXml) => CanonicalXml, id: string, pair: KeyPair): string => {
  const reference = element(
    'ds:Reference',
    { URI: `#${id}` },
    element(
      'ds:Transforms',
      {},
      element('ds:Transform', { Algorithm: ENVELOPED_SIGNATURE }),
      element('ds:Transform', { Algorithm: EXCLUSIVE_C14N }),
    ),
    element('ds:DigestMethod', { Algorithm: SHA256 }),
    element('ds:DigestValue', {}, text(createHash('sha256').update(write(nothing), 'utf8').digest('base64'))),
  );
  const signedInfo = (namespaces: Readonly<Record<string, string>>): CanonicalXml =>
    element(
      'ds:SignedInfo',
      namespaces,
      element('ds:CanonicalizationMethod', { Algorithm: EXCLUSIVE_C14N }),
      element('ds:SignatureMethod', { Algorithm: RSA_SHA256 }),
      reference,
    );
  // Canonicalised by itself, SignedInfo declares the namespace that it inherits inside the document.
  const value = sign('sha256', Buffer.from(signedInfo({ 'xmlns:ds': DS }), 'utf8'), pair.signingKey);
  return write(
    element(
      'ds:Signature',
      { 'xmlns:ds': DS },
      signedInfo({}),
      element('ds:SignatureValue', {}, text(value.toString('base64'))),
      keyInfo(pair.certificate),
    ),
  );
};

/** A message for the HTTP-Redirect binding. */
export interface RedirectContent {
  readonly parameter: 'SAMLRequest' | 'SAMLResponse';
  readonly xml: string;
  readonly relayState: string | null;
}

const joined = (pairs: readonly (readonly [string, string])[]): string =>
  pairs.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');

const signedQuery = (query: string, pair: KeyPair): string => {
  const octets = `${query}&${joined([['SigAlg', RSA_SHA256]])}`;
  const signature = sign('sha256', Buffer.from(octets, 'utf8'), pair.signingKey).toString('base64');
  return `${octets}&${joined([['Signature', signature]])}`;
};

/** The address that carries a message by HTTP-Redirect, signed over the octets of its query. @see SAML Bindings 2.0 §3.4.4 */
export const signedRedirect = (
  location: string,
  { parameter, xml, relayState }: RedirectContent,
  pair: KeyPair,
): string => {
  const query = joined([
    [parameter, deflateRawSync(Buffer.from(xml, 'utf8')).toString('base64')],
    ...(relayState === null ? [] : [['RelayState', relayState] as const]),
  ]);
  return `${location}${location.includes('?') ? '&' : '?'}${signedQuery(query, pair)}`;
};

/** An address that ends with such a message, unsigned, after what the location itself has in its query. */
export const signedAddress = (address: string, parameter: RedirectContent['parameter'], pair: KeyPair): string => {
  const start = address.lastIndexOf(`${parameter}=`);
  if (start < 1) throw new TypeError('the address carries no message');
  return `${address.slice(0, start)}${signedQuery(address.slice(start), pair)}`;
};
