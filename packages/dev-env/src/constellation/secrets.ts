import { generateKeyPair, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createSelfSigned } from '../certificates.ts';
import { keepPrivateFile, readIfThere, writePrivateFile } from '../files.ts';
import { SERVICE_NAMES, type ServiceName } from '../services.ts';

const newKeyPair = promisify(generateKeyPair);

/** Everything secret the services need, as files of a state directory (0600), made once and kept. */
export interface Secrets {
  /** 32 bytes in hex. */
  readonly masterKeyFile: string;
  /** One key a line, newest first. */
  readonly cookieKeysFile: string;
  /** JWKS with private keys for RS256 and ES256. */
  readonly providerKeysFile: string;
  readonly samlKeyFile: string;
  readonly samlCertFile: string;
  /** Opens encrypted assertions; signs nothing. */
  readonly samlEncryptionKeyFile: string;
  readonly samlEncryptionCertFile: string;
  /** Passwords of the services' database roles. */
  readonly databasePasswords: Readonly<Record<ServiceName, string>>;
  /** Of the break-glass Owner; the same from the first start on. */
  readonly ownerPassword: string;
}

/** Makes what is missing and returns where everything is. A kept secret is never replaced. */
export async function prepareSecrets(directory: string): Promise<Secrets> {
  const file = (name: string): string => join(directory, name);
  keepPrivateFile(file('master.key'), () => `${randomBytes(32).toString('hex')}\n`);
  keepPrivateFile(file('cookie.keys'), () => `${randomBytes(32).toString('base64url')}\n`);
  const [samlKeyFile, samlCertFile] = [file('saml-sp.key'), file('saml-sp.pem')];
  const [samlEncryptionKeyFile, samlEncryptionCertFile] = [file('saml-encryption.key'), file('saml-encryption.pem')];
  await Promise.all([
    keepProviderKeys(file('provider.jwks.json')),
    keepSamlPair(samlKeyFile, samlCertFile),
    keepSamlPair(samlEncryptionKeyFile, samlEncryptionCertFile),
  ]);
  const passwordOf = (name: string): string =>
    keepPrivateFile(file(`${name}.password`), () => randomBytes(24).toString('base64url'));
  const passwords = SERVICE_NAMES.map((service) => [service, passwordOf(`database-${service}`)] as const);
  return {
    masterKeyFile: file('master.key'),
    cookieKeysFile: file('cookie.keys'),
    providerKeysFile: file('provider.jwks.json'),
    samlKeyFile,
    samlCertFile,
    samlEncryptionKeyFile,
    samlEncryptionCertFile,
    databasePasswords: Object.fromEntries(passwords) as Record<ServiceName, string>,
    ownerPassword: passwordOf('owner'),
  };
}

async function keepProviderKeys(path: string): Promise<void> {
  if (readIfThere(path) !== null) return;
  const [rsa, ec] = await Promise.all([
    newKeyPair('rsa', { modulusLength: 2_048 }),
    newKeyPair('ec', { namedCurve: 'P-256' }),
  ]);
  const keys = [
    { ...rsa.privateKey.export({ format: 'jwk' }), alg: 'RS256' },
    { ...ec.privateKey.export({ format: 'jwk' }), alg: 'ES256' },
  ].map((key) => ({ ...key, use: 'sig', kid: randomBytes(12).toString('base64url') }));
  writePrivateFile(path, `${JSON.stringify({ keys }, undefined, 2)}\n`);
}

async function keepSamlPair(keyFile: string, certFile: string): Promise<void> {
  if (readIfThere(keyFile) !== null && readIfThere(certFile) !== null) return;
  const { key, cert } = await createSelfSigned('Sallyport development service provider');
  writePrivateFile(keyFile, key);
  writePrivateFile(certFile, cert);
}
