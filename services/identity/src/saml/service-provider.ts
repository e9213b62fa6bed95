import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import { AppError } from '@sallyport/errors';

/** What identity providers know of us. */
export interface SamlServiceProvider {
  readonly publicOrigin: string;
  /** PEM; signs our requests. */
  readonly privateKey: string;
  readonly certificate: string;
}

/** Reads key and certificate. @throws INTERNAL when they are unreadable or do not belong together */
export const readServiceProvider = async (config: {
  readonly publicOrigin: string;
  readonly samlKeyFile: string;
  readonly samlCertFile: string;
}): Promise<SamlServiceProvider> => {
  const [privateKey, certificate] = await Promise.all([
    readFile(config.samlKeyFile, 'utf8'),
    readFile(config.samlCertFile, 'utf8'),
  ]);
  const isPair = isKeyPair(privateKey, certificate);
  if (!isPair)
    throw new AppError('INTERNAL', `${config.samlKeyFile} and ${config.samlCertFile} are not a key pair (PEM).`);
  return { publicOrigin: new URL(config.publicOrigin).origin, privateKey, certificate };
};

const isKeyPair = (privateKey: string, certificate: string): boolean => {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey));
  } catch {
    return false;
  }
};

/** Our entity id for a connection: the address of its metadata, so that no two connections share one. */
export const entityIdOf = ({ publicOrigin }: SamlServiceProvider, connectionId: string): string =>
  `${publicOrigin}/saml/${connectionId}/metadata`;

/** Where a connection's responses go. */
export const acsUrlOf = ({ publicOrigin }: SamlServiceProvider, connectionId: string): string =>
  `${publicOrigin}/saml/${connectionId}/acs`;
