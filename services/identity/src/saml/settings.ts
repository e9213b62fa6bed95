import { setting } from '@sallyport/config';

/** Our keys as a SAML service provider. Each file holds one PEM block, or two while a rotation is under way. */
export const samlSettings = {
  samlKeyFile: setting.path('SALLYPORT_SAML_KEY_FILE', {
    mustExist: 'file',
    doc: 'PEM private key of the SAML service provider; two while a rotation is under way.',
  }),
  samlCertFile: setting.path('SALLYPORT_SAML_CERT_FILE', {
    mustExist: 'file',
    doc: 'PEM certificate of the SAML service provider; of two, the first signs and both are in the metadata.',
  }),
  samlEncryptionKeyFile: setting.path('SALLYPORT_SAML_ENCRYPTION_KEY_FILE', {
    mustExist: 'file',
    optional: true,
    doc: 'PEM private key that opens encrypted assertions (two during a rotation, both open); absent: none are taken.',
  }),
  samlEncryptionCertFile: setting.path('SALLYPORT_SAML_ENCRYPTION_CERT_FILE', {
    mustExist: 'file',
    optional: true,
    doc: 'PEM certificate of the encryption key; of two, the first comes first in the metadata.',
  }),
};
