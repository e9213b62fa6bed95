import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import { AppError } from '@sallyport/errors';

/** A private key of ours with the certificate identity providers know it by. */
export interface KeyPair {
  /** PEM. */
  readonly privateKey: string;
  /** The same, read: reading it takes longer than signing with it. */
  readonly signingKey: KeyObject;
  /** PEM. */
  readonly certificate: string;
}

/** The current pair and, while a rotation is under way, the next one (or the one that is on its way out). */
export const MAX_KEY_PAIRS = 2;
const MIN_RSA_BITS = 2048;
const PEM_BLOCK = /-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----/g;

/**
 * Reads the pairs of one purpose: both files hold one or two PEM blocks. The order of the certificates counts (the
 * first is current), that of the keys does not.
 * @throws INTERNAL saying what is wrong with which file
 */
export const readKeyPairs = async (keyFile: string, certFile: string): Promise<KeyPair[]> => {
  const [keyText, certText] = await Promise.all([readFile(keyFile, 'utf8'), readFile(certFile, 'utf8')]);
  const keys = blocksOf(keyText).map((pem) => ({ pem, key: parsed(() => createPrivateKey(pem), keyFile) }));
  const certificates = blocksOf(certText).map((pem) => parsed(() => new X509Certificate(pem), certFile));
  if (certificates.length === 0 || certificates.length > MAX_KEY_PAIRS || certificates.length !== keys.length) {
    throw unusable(`${keyFile} and ${certFile} must hold the same number of keys and certificates, one or two.`);
  }
  return certificates.map((certificate) => {
    const match = keys.find(({ key }) => certificate.checkPrivateKey(key));
    if (match === undefined) throw unusable(`${certFile} holds a certificate without its key in ${keyFile}.`);
    if (!isStrongRsa(match.key)) throw unusable(`${keyFile} holds a key that is not RSA of at least 2048 bits.`);
    return { privateKey: match.pem, signingKey: match.key, certificate: certificate.toString() };
  });
};

const blocksOf = (text: string): string[] => [...text.matchAll(PEM_BLOCK)].map(([block]) => block);

const isStrongRsa = (key: KeyObject): boolean =>
  key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS;

const unusable = (detail: string, cause?: unknown): AppError => new AppError('INTERNAL', detail, { cause });

const parsed = <T>(parse: () => T, file: string): T => {
  try {
    return parse();
  } catch (error) {
    throw unusable(`${file} holds a PEM block that cannot be read.`, error);
  }
};
