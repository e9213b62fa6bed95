import { readFile } from 'node:fs/promises';

import type { TlsFiles } from '@sallyport/grpc';

import type { PolicyConfig } from '../config.ts';

/** PEM of this service's certificate, its key, and the authority that signs every service of the deployment. */
export const readTls = async (config: PolicyConfig): Promise<TlsFiles> => {
  const [ca, cert, key] = await Promise.all([
    readFile(config.tlsCaFile),
    readFile(config.tlsCertFile),
    readFile(config.tlsKeyFile),
  ]);
  return { ca, cert, key };
};
