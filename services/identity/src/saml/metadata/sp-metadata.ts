import { createHash } from 'node:crypto';

import { keyInfo, signedDocument } from '../sign.ts';
import { acsUrlOf, entityIdOf, sloUrlOf, type SamlServiceProvider } from '../service-provider.ts';
import { DS, SAMLP, XENC, XENC11 } from '../verify/names.ts';
import { element, text, type CanonicalXml } from '../xml/write.ts';

const MD = 'urn:oasis:names:tc:SAML:2.0:metadata';
export const HTTP_POST = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST';
export const HTTP_REDIRECT = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect';
const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';
const UNSPECIFIED = 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified';

const DAY_MS = 24 * 60 * 60_000;
/** A copy older than this is to be fetched anew; the same day gives the same document. */
const VALID_MS = 14 * DAY_MS;
const CACHE_DURATION = 'P1D';

const DECLARED = { 'xmlns:ds': DS };

/** What we can decrypt, best first. @see verify/decrypt.ts */
const ENCRYPTION_METHODS: readonly CanonicalXml[] = [
  ...[`${XENC11}aes256-gcm`, `${XENC11}aes128-gcm`].map((Algorithm) => element('md:EncryptionMethod', { Algorithm })),
  element(
    'md:EncryptionMethod',
    { Algorithm: `${XENC11}rsa-oaep` },
    element('ds:DigestMethod', { Algorithm: `${XENC}sha256`, ...DECLARED }),
    element('xenc11:MGF', { Algorithm: `${XENC11}mgf1sha256`, 'xmlns:xenc11': XENC11 }),
  ),
  element('md:EncryptionMethod', { Algorithm: `${XENC}rsa-oaep-mgf1p` }),
];

/**
 * The document an IdP is set up with: who we are, where answers and logouts go, which keys sign what we send and which
 * open what is encrypted for us. Signed with the current key; lists the next ones, so that a rotation is no outage.
 * @see SAML Metadata 2.0 §2.3, §2.4.4
 */
export const serviceProviderMetadata = (sp: SamlServiceProvider, connectionId: string, now: Date): string => {
  const entityId = entityIdOf(sp, connectionId);
  const validUntil = new Date(Math.floor(now.getTime() / DAY_MS) * DAY_MS + VALID_MS);
  // A function of what is in it, so that a document that says the same is the same.
  const id = `_${createHash('sha256').update(`${entityId} ${validUntil.toISOString()}`).digest('hex').slice(0, 40)}`;
  const attributes = {
    'xmlns:md': MD,
    ID: id,
    cacheDuration: CACHE_DURATION,
    entityID: entityId,
    validUntil: validUntil.toISOString(),
  };
  const role = roleDescriptor(sp, connectionId);
  return signedDocument((signature) => element('md:EntityDescriptor', attributes, signature, role), id, sp.signing);
};

const roleDescriptor = (sp: SamlServiceProvider, connectionId: string): CanonicalXml =>
  element(
    'md:SPSSODescriptor',
    { AuthnRequestsSigned: 'true', WantAssertionsSigned: 'true', protocolSupportEnumeration: SAMLP },
    ...sp.signingCertificates.map((certificate) =>
      element('md:KeyDescriptor', { use: 'signing' }, keyInfo(certificate, DECLARED)),
    ),
    ...sp.decryption.map(({ certificate }) =>
      element('md:KeyDescriptor', { use: 'encryption' }, keyInfo(certificate, DECLARED), ...ENCRYPTION_METHODS),
    ),
    ...[HTTP_REDIRECT, HTTP_POST].map((Binding) =>
      element('md:SingleLogoutService', { Binding, Location: sloUrlOf(sp, connectionId) }),
    ),
    ...[PERSISTENT, UNSPECIFIED].map((format) => element('md:NameIDFormat', {}, text(format))),
    element('md:AssertionConsumerService', {
      Binding: HTTP_POST,
      Location: acsUrlOf(sp, connectionId),
      index: '0',
      isDefault: 'true',
    }),
  );
