import { createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import { bitString, der, derNull, integer, objectIdentifier, sequence, setOf, time, utf8 } from './der.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const LIFETIME_MS = 10 * 365 * DAY_MS;

/**
 * A self-signed X.509 v3 certificate for an RSA or P-256 key, valid ten years from a day before `now`
 * (Okta's own application certificates live that long). SAML uses it only as an envelope of the public key.
 * @see RFC 5280 §4.1
 */
export function selfSignedCertificate(privateKey: KeyObject, commonName: string, now: Date): string {
  const algorithm =
    privateKey.asymmetricKeyType === 'rsa'
      ? sequence(objectIdentifier('1.2.840.113549.1.1.11'), derNull)
      : sequence(objectIdentifier('1.2.840.10045.4.3.2'));
  const name = sequence(setOf(sequence(objectIdentifier('2.5.4.3'), utf8(commonName))));
  const basicConstraintsNotCa = sequence(objectIdentifier('2.5.29.19'), der(0x04, sequence()));
  const toBeSigned = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    integer(randomBytes(16)),
    algorithm,
    name,
    sequence(time(new Date(now.getTime() - DAY_MS)), time(new Date(now.getTime() + LIFETIME_MS))),
    name,
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(basicConstraintsNotCa)),
  );
  const certificate = sequence(toBeSigned, algorithm, bitString(sign('sha256', toBeSigned, privateKey)));
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** The base64 body of a PEM certificate, as `ds:X509Certificate` carries it. */
export function certificateBody(pem: string): string {
  return pem.replaceAll(/-----[^-]+-----|\s/g, '');
}
