import { type KeyObject, verify, X509Certificate } from 'node:crypto';
import { request } from 'undici';
import { DemoIdpError } from '../errors.ts';
import { childrenNamed, descendantsNamed, readXml, type XmlNode } from './xml-reader.ts';

const METADATA = 'urn:oasis:names:tc:SAML:2.0:metadata';
const DSIG = 'http://www.w3.org/2000/09/xmldsig#';
const HTTP_REDIRECT = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect';
const FETCH_TIMEOUT_MS = 5000;

/** Signature algorithms taken in a redirect-binding request. */
const REDIRECT_HASHES: ReadonlyMap<string, string> = new Map([
  ['http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', 'sha256'],
  ['http://www.w3.org/2001/04/xmldsig-more#rsa-sha384', 'sha384'],
  ['http://www.w3.org/2001/04/xmldsig-more#rsa-sha512', 'sha512'],
]);

/** What the metadata of a service provider says. */
export interface ServiceProviderDescription {
  /** Sign its messages. */
  readonly requestKeys: readonly KeyObject[];
  /** The first key that may encrypt for it; null when it names none. */
  readonly encryptionKey: KeyObject | null;
  /** Where it takes logouts by redirect. */
  readonly sloUrl: string | null;
}

/** Reads the metadata of a service provider. @throws TARGET_UNREACHABLE, XML_REFUSED */
export async function fetchServiceProvider(metadataUrl: string): Promise<ServiceProviderDescription> {
  let xml: string;
  try {
    const answer = await request(metadataUrl, { headersTimeout: FETCH_TIMEOUT_MS, bodyTimeout: FETCH_TIMEOUT_MS });
    xml = await answer.body.text();
    if (answer.statusCode !== 200)
      throw new DemoIdpError('TARGET_UNREACHABLE', `it answered ${String(answer.statusCode)}`);
  } catch (cause) {
    throw new DemoIdpError(
      'TARGET_UNREACHABLE',
      `The metadata of the service provider could not be read from ${metadataUrl}.`,
      { cause },
    );
  }
  return {
    requestKeys: requestKeysOf(xml),
    encryptionKey: keysOf(xml, (use) => use === 'encryption')[0] ?? null,
    sloUrl: sloUrlOf(xml),
  };
}

/** The keys of every `KeyDescriptor` for signing (or for anything) in SP metadata. @see SAML Metadata §2.4.1.1 */
export function requestKeysOf(metadataXml: string): KeyObject[] {
  return keysOf(metadataXml, (use) => use !== 'encryption');
}

function keysOf(metadataXml: string, isWanted: (use: string | undefined) => boolean): KeyObject[] {
  return rolesOf(metadataXml)
    .flatMap((role) => childrenNamed(role, METADATA, 'KeyDescriptor'))
    .filter((descriptor) => isWanted(descriptor.attributes.get('use')))
    .flatMap((descriptor) => descendantsNamed(descriptor, DSIG, 'X509Certificate'))
    .map((certificate) => new X509Certificate(Buffer.from(certificate.text, 'base64')).publicKey);
}

function rolesOf(metadataXml: string): XmlNode[] {
  return childrenNamed(readXml(metadataXml), METADATA, 'SPSSODescriptor');
}

function sloUrlOf(metadataXml: string): string | null {
  const service = rolesOf(metadataXml)
    .flatMap((role) => childrenNamed(role, METADATA, 'SingleLogoutService'))
    .find((candidate) => candidate.attributes.get('Binding') === HTTP_REDIRECT);
  return service?.attributes.get('Location') ?? null;
}

/**
 * Checks the signature of a redirect-binding request over the query as it was sent, not as it decodes.
 * @param rawQuery the query string without `?`.
 * @returns false when there is no signature at all.
 * @throws SAML_REQUEST_REFUSED when there is one and no key verifies it.
 * @see SAML Bindings §3.4.4.1
 */
export function verifyRedirectSignature(rawQuery: string, keys: readonly KeyObject[]): boolean {
  const raw = new Map(rawQuery.split('&').map((pair) => [pair.split('=', 1)[0], pair] as const));
  const [signature, algorithm] = [queryValue(raw.get('Signature')), queryValue(raw.get('SigAlg'))];
  if (signature === null) return false;
  const hash = algorithm === null ? undefined : REDIRECT_HASHES.get(algorithm);
  if (hash === undefined)
    throw new DemoIdpError(
      'SAML_REQUEST_REFUSED',
      'The sign-in request is signed with an algorithm that is not taken.',
    );
  const octets = ['SAMLRequest', 'SAMLResponse', 'RelayState', 'SigAlg']
    .flatMap((name) => raw.get(name) ?? [])
    .join('&');
  const valid = keys.some((key) => verify(hash, Buffer.from(octets), key, Buffer.from(signature, 'base64')));
  if (!valid) throw new DemoIdpError('SAML_REQUEST_REFUSED', 'The signature of the sign-in request does not verify.');
  return true;
}

function queryValue(pair: string | undefined): string | null {
  if (pair === undefined) return null;
  return new URLSearchParams(pair).values().next().value ?? null;
}
