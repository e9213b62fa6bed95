import 'reflect-metadata';

import * as x509 from '@peculiar/x509';

import type { TlsFiles } from '../src/index.ts';

const { subtle } = globalThis.crypto;
type Key = Parameters<typeof subtle.exportKey>[1];

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const HOUR_MS = 3_600_000;

export interface LeafOptions {
  /** URI SANs, in order; none: no URI SAN at all. */
  readonly uris: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

export interface TestCa {
  readonly pem: Buffer;
  issue(options: LeafOptions): Promise<TlsFiles>;
}

const newKeys = () => subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);

const keyPem = async (key: Key): Promise<Buffer> => {
  const bytes = await subtle.exportKey('pkcs8', key);
  return Buffer.from(x509.PemConverter.encode(bytes, 'PRIVATE KEY'));
};

/** A certification authority that lives for one test file. */
export const createTestCa = async (name: string): Promise<TestCa> => {
  const keys = await newKeys();
  const now = performance.timeOrigin + performance.now();
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(now - HOUR_MS),
    notAfter: new Date(now + HOUR_MS),
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  });
  const pem = Buffer.from(root.toString('pem'));
  const issue = async (options: LeafOptions): Promise<TlsFiles> => {
    const leaf = await newKeys();
    const names = options.uris.map((value) => ({ type: 'url' as const, value }));
    const certificate = await x509.X509CertificateGenerator.create({
      subject: 'CN=service',
      issuer: root.subject,
      publicKey: leaf.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: ALGORITHM,
      notBefore: options.notBefore ?? new Date(now - HOUR_MS),
      notAfter: options.notAfter ?? new Date(now + HOUR_MS),
      extensions: names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)],
    });
    return { ca: pem, cert: Buffer.from(certificate.toString('pem')), key: await keyPem(leaf.privateKey) };
  };
  return { pem, issue };
};
