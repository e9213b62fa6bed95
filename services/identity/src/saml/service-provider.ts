import { AppError } from '@sallyport/errors';

import { readKeyPairs, type KeyPair } from './key-pairs.ts';

/** What identity providers know of us. */
export interface SamlServiceProvider {
  readonly publicOrigin: string;
  /** Signs what we send. */
  readonly signing: KeyPair;
  /** Every certificate our signatures may be checked with, the current one first. */
  readonly signingCertificates: readonly string[];
  /** Open what is encrypted for us, the current one first; none = assertions may not be encrypted. */
  readonly decryption: readonly KeyPair[];
}

/** Where the keys are. */
export interface ServiceProviderFiles {
  readonly publicOrigin: string;
  readonly samlKeyFile: string;
  readonly samlCertFile: string;
  readonly samlEncryptionKeyFile: string | undefined;
  readonly samlEncryptionCertFile: string | undefined;
}

/** Reads our keys. @throws INTERNAL when they are unreadable, do not belong together or serve two purposes */
export const readServiceProvider = async (files: ServiceProviderFiles): Promise<SamlServiceProvider> => {
  const signing = await readKeyPairs(files.samlKeyFile, files.samlCertFile);
  const decryption = await readDecryptionPairs(files);
  const [current] = signing;
  if (current === undefined) throw new AppError('INTERNAL', `${files.samlCertFile} holds no certificate.`);
  const signs = new Set(signing.map(({ certificate }) => certificate));
  if (decryption.some(({ certificate }) => signs.has(certificate))) {
    throw new AppError('INTERNAL', 'A SAML key that signs must not decrypt as well: give encryption keys of its own.');
  }
  return {
    publicOrigin: new URL(files.publicOrigin).origin,
    signing: current,
    signingCertificates: signing.map(({ certificate }) => certificate),
    decryption,
  };
};

const readDecryptionPairs = async (files: ServiceProviderFiles): Promise<KeyPair[]> => {
  const { samlEncryptionKeyFile: keyFile, samlEncryptionCertFile: certFile } = files;
  if (keyFile === undefined && certFile === undefined) return [];
  if (keyFile === undefined || certFile === undefined) {
    const names = 'SALLYPORT_SAML_ENCRYPTION_KEY_FILE and SALLYPORT_SAML_ENCRYPTION_CERT_FILE';
    throw new AppError('INTERNAL', `${names} are set together or not at all.`);
  }
  return await readKeyPairs(keyFile, certFile);
};

type Origin = Pick<SamlServiceProvider, 'publicOrigin'>;

/** Our entity id for a connection: the address of its metadata, so that no two connections share one. */
export const entityIdOf = ({ publicOrigin }: Origin, connectionId: string): string =>
  `${publicOrigin}/saml/${connectionId}/metadata`;

/** Where a connection's responses go. */
export const acsUrlOf = ({ publicOrigin }: Origin, connectionId: string): string =>
  `${publicOrigin}/saml/${connectionId}/acs`;

/** Where a connection's logout messages go, by either binding. */
export const sloUrlOf = ({ publicOrigin }: Origin, connectionId: string): string =>
  `${publicOrigin}/saml/${connectionId}/slo`;
