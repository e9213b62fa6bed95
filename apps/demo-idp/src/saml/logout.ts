import { randomBytes, sign } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { DemoIdpError } from '../errors.ts';
import type { SigningKey } from './keys.ts';
import { SIGNATURE_ALGORITHMS } from './sign.ts';
import { childrenNamed, readXml } from './xml-reader.ts';
import { type CanonicalXml, element, text } from './xml.ts';

const PROTOCOL = 'urn:oasis:names:tc:SAML:2.0:protocol';
const ASSERTION = 'urn:oasis:names:tc:SAML:2.0:assertion';
const SUCCESS = 'urn:oasis:names:tc:SAML:2.0:status:Success';

/** A logout message that was sent to us. */
export interface ReceivedLogout {
  readonly kind: 'LogoutRequest' | 'LogoutResponse';
  readonly id: string;
}

/**
 * Reads a logout message of the service provider. @throws XML_REFUSED, SAML_REQUEST_REFUSED
 * @see SAML Core §3.7
 */
export function parseLogout(xml: string, expected: { spEntityId: string; sloUrl: string }): ReceivedLogout {
  const root = readXml(xml);
  const { name } = root;
  if (root.namespace !== PROTOCOL || (name !== 'LogoutRequest' && name !== 'LogoutResponse')) {
    throw refused('is no logout message');
  }
  const id = root.attributes.get('ID') ?? '';
  if (!/^[A-Za-z_][\w.-]{0,255}$/.test(id)) throw refused('has no usable ID');
  if (childrenNamed(root, ASSERTION, 'Issuer')[0]?.text.trim() !== expected.spEntityId) {
    throw refused('comes from an unknown service provider (Issuer)');
  }
  if (root.attributes.get('Destination') !== expected.sloUrl)
    throw refused('is meant for another address (Destination)');
  return { kind: name, id };
}

/** What a logout message of ours needs. */
export interface LogoutWriting {
  readonly issuer: string;
  readonly destination: string;
  readonly now: Date;
  readonly key: SigningKey;
  readonly relayState: string | null;
}

/** The address that answers a logout request. */
export function logoutResponseUrl(writing: LogoutWriting, inResponseTo: string): string {
  const status = element('samlp:Status', {}, element('samlp:StatusCode', { Value: SUCCESS }));
  return redirect(writing, 'SAMLResponse', message(writing, 'LogoutResponse', { InResponseTo: inResponseTo }, status));
}

/** The address that asks for a logout; without a session index, of everything of that person. */
export function logoutRequestUrl(
  writing: LogoutWriting,
  name: { nameId: string; nameIdFormat: string | null },
): string {
  const nameId = element('saml:NameID', { 'xmlns:saml': ASSERTION, Format: name.nameIdFormat }, text(name.nameId));
  return redirect(writing, 'SAMLRequest', message(writing, 'LogoutRequest', {}, nameId));
}

function message(
  writing: LogoutWriting,
  name: ReceivedLogout['kind'],
  more: Readonly<Record<string, string>>,
  content: CanonicalXml,
): CanonicalXml {
  const attributes = {
    'xmlns:samlp': PROTOCOL,
    Destination: writing.destination,
    ID: `_${randomBytes(20).toString('hex')}`,
    IssueInstant: writing.now.toISOString(),
    Version: '2.0',
    ...more,
  };
  const issuer = element('saml:Issuer', { 'xmlns:saml': ASSERTION }, text(writing.issuer));
  return element(`samlp:${name}`, attributes, issuer, content);
}

/** @see SAML Bindings §3.4.4.1 */
function redirect({ destination, key, relayState }: LogoutWriting, parameter: string, xml: CanonicalXml): string {
  const { uri, hash } = SIGNATURE_ALGORITHMS[key.privateKey.asymmetricKeyType === 'ec' ? 'ecdsa-sha256' : 'rsa-sha256'];
  const pairs = [
    [parameter, deflateRawSync(Buffer.from(xml, 'utf8')).toString('base64')] as const,
    ...(relayState === null ? [] : [['RelayState', relayState] as const]),
    ['SigAlg', uri] as const,
  ];
  const query = pairs.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
  const signer = { key: key.privateKey, dsaEncoding: 'ieee-p1363' } as const;
  const signature = sign(hash, Buffer.from(query, 'utf8'), signer).toString('base64');
  return `${destination}${destination.includes('?') ? '&' : '?'}${query}&Signature=${encodeURIComponent(signature)}`;
}

function refused(why: string): DemoIdpError {
  return new DemoIdpError('SAML_REQUEST_REFUSED', `The logout message ${why}.`);
}
