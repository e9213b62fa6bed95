import { certificateBody } from './certificate.ts';
import type { SigningKey } from './keys.ts';
import { element, text } from './xml.ts';

const METADATA = 'urn:oasis:names:tc:SAML:2.0:metadata';
const DSIG = 'http://www.w3.org/2000/09/xmldsig#';
const BINDINGS = 'urn:oasis:names:tc:SAML:2.0:bindings';

/** The IdP metadata document. @param signingKeys all keys that may sign now or soon. @see SAML Metadata §2.4.3 */
export function identityProviderMetadata(
  addresses: { entityId: string; ssoUrl: string; sloUrl: string },
  signingKeys: readonly SigningKey[],
): string {
  const keys = signingKeys.map((key) =>
    element(
      'md:KeyDescriptor',
      { use: 'signing' },
      element(
        'ds:KeyInfo',
        { 'xmlns:ds': DSIG },
        element('ds:X509Data', {}, element('ds:X509Certificate', {}, text(certificateBody(key.certificatePem)))),
      ),
    ),
  );
  const formats = [
    '2.0:nameid-format:persistent',
    '1.1:nameid-format:unspecified',
    '1.1:nameid-format:emailAddress',
  ].map((format) => element('md:NameIDFormat', {}, text(`urn:oasis:names:tc:SAML:${format}`)));
  const services = ['HTTP-POST', 'HTTP-Redirect'].map((binding) =>
    element('md:SingleSignOnService', { Binding: `${BINDINGS}:${binding}`, Location: addresses.ssoUrl }),
  );
  const logout = element('md:SingleLogoutService', {
    Binding: `${BINDINGS}:HTTP-Redirect`,
    Location: addresses.sloUrl,
  });
  const role = element(
    'md:IDPSSODescriptor',
    { WantAuthnRequestsSigned: 'false', protocolSupportEnumeration: 'urn:oasis:names:tc:SAML:2.0:protocol' },
    ...keys,
    logout,
    ...formats,
    ...services,
  );
  const document = element('md:EntityDescriptor', { 'xmlns:md': METADATA, entityID: addresses.entityId }, role);
  return `<?xml version="1.0" encoding="UTF-8"?>${document}`;
}
