// Before @peculiar/x509, whose dependency injection needs it.
import 'reflect-metadata';
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { systemClock } from '@sallyport/storage';
import { privateDirectory, readIfThere, writePrivateFile } from './files.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const CA_LIFETIME_MS = 3_650 * DAY_MS;
const LEAF_LIFETIME_MS = 90 * DAY_MS;
/** A certificate with less than this left is replaced at the next start. */
const RENEW_BEFORE_MS = 30 * DAY_MS;
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' };
const KEY = { name: 'ECDSA', namedCurve: 'P-256' };

/** The development certificate authority of one state directory. Its key never leaves the machine. */
export interface DevCa {
  /** PEM. */
  readonly cert: Buffer;
  readonly certFile: string;
  readonly directory: string;
  /** PEM of the private key; only for issuing. */
  readonly key: Buffer;
}

/** One mutual-TLS identity: PEM contents and the files that hold them (0600). */
export interface DevCertificate {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** Whom a certificate is for. */
export interface CertificateRequest {
  /** Service name: becomes the URI `spiffe://<deployment>/service/<service>`. */
  readonly service: string;
  readonly deployment: string;
  /** Default 90 days. */
  readonly lifetimeMs?: number;
}

/** The certificate authority kept in `directory` (made 0700), created on first use and when near its end. */
export async function createDevCa(directory: string): Promise<DevCa> {
  privateDirectory(directory);
  const [certFile, keyFile] = [join(directory, 'ca.pem'), join(directory, 'ca.key')];
  const [cert, key] = [readIfThere(certFile), readIfThere(keyFile)];
  if (cert !== null && key !== null && isCurrent(cert, key)) {
    return { cert: Buffer.from(cert), certFile, directory, key: Buffer.from(key) };
  }
  const keys = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    // Distinct names: a new CA never passes for an older one in a trust store.
    name: `CN=Sallyport development CA ${randomBytes(4).toString('hex')}`,
    ...validity(CA_LIFETIME_MS),
    signingAlgorithm: SIGNATURE,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { ...(await keep(made, keys.privateKey, { certFile, keyFile })), certFile, directory };
}

/** Writes a certificate and its key, PEM, the key first: a certificate that is there has one. */
async function keep(
  made: x509.X509Certificate,
  privateKey: CryptoKey,
  { certFile, keyFile }: { readonly certFile: string; readonly keyFile: string },
): Promise<{ readonly cert: Buffer; readonly key: Buffer }> {
  const cert = Buffer.from(`${made.toString('pem')}\n`);
  const key = Buffer.from(await privateKeyPem(privateKey));
  writePrivateFile(keyFile, key);
  writePrivateFile(certFile, cert);
  return { cert, key };
}

/**
 * The certificate of one service, for both ends of mutual TLS: URI `spiffe://<deployment>/service/<service>`,
 * `localhost` and 127.0.0.1, server and client authentication, ECDSA P-256. Kept next to the CA and
 * issued anew when it nears its end, names another deployment or was signed by another CA.
 */
export async function issueDevCertificate(ca: DevCa, request: CertificateRequest): Promise<DevCertificate> {
  const { service, deployment, lifetimeMs = LEAF_LIFETIME_MS } = request;
  const [certFile, keyFile] = [join(ca.directory, `${service}.pem`), join(ca.directory, `${service}.key`)];
  const uri = `spiffe://${deployment}/service/${service}`;
  const [cert, key] = [readIfThere(certFile), readIfThere(keyFile)];
  const files = { ca: ca.cert, caFile: ca.certFile, certFile, keyFile };
  if (cert !== null && key !== null && isCurrent(cert, key) && isIssuedFor(cert, ca, uri)) {
    return { ...files, cert: Buffer.from(cert), key: Buffer.from(key) };
  }
  const keys = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  const issuer = new x509.X509Certificate(ca.cert.toString());
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: `CN=${service}`,
    issuer: issuer.subject,
    ...validity(lifetimeMs),
    signingAlgorithm: SIGNATURE,
    publicKey: keys.publicKey,
    signingKey: await importSigningKey(ca.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'url', value: uri },
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { ...files, ...(await keep(made, keys.privateKey, files)) };
}

/** A self-signed RSA certificate with its key, as SAML peers exchange them. PEM. */
export async function createSelfSigned(
  commonName: string,
  lifetimeMs = CA_LIFETIME_MS,
): Promise<{ cert: string; key: string }> {
  const rsa = {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    publicExponent: new Uint8Array([1, 0, 1]),
    modulusLength: 2_048,
  };
  const keys = await crypto.subtle.generateKey(rsa, true, ['sign', 'verify']);
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=${commonName}`,
    ...validity(lifetimeMs),
    signingAlgorithm: { name: rsa.name, hash: rsa.hash },
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    ],
  });
  return { cert: `${made.toString('pem')}\n`, key: await privateKeyPem(keys.privateKey) };
}

function isCurrent(cert: string, key: string): boolean {
  try {
    const parsed = new X509Certificate(cert);
    const left = parsed.validToDate.getTime() - systemClock.now().getTime();
    return left > RENEW_BEFORE_MS && parsed.checkPrivateKey(createPrivateKey(key));
  } catch {
    // Torn or foreign content: made anew.
    return false;
  }
}

function isIssuedFor(cert: string, ca: DevCa, uri: string): boolean {
  const parsed = new X509Certificate(cert);
  const names = parsed.subjectAltName?.split(', ') ?? [];
  return names.includes(`URI:${uri}`) && parsed.verify(new X509Certificate(ca.cert).publicKey);
}

function importSigningKey(pem: Buffer): Promise<CryptoKey> {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  return crypto.subtle.importKey('pkcs8', der, KEY, false, ['sign']);
}

async function privateKeyPem(key: CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key));
  return createPrivateKey({ key: der, type: 'pkcs8', format: 'der' })
    .export({ type: 'pkcs8', format: 'pem' })
    .toString();
}

/** 127 random bits: positive, at most 20 octets (RFC 5280 §4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function validity(lifetimeMs: number): { notBefore: Date; notAfter: Date } {
  const now = systemClock.now().getTime();
  // An hour back: clocks of containers on one machine differ.
  return { notBefore: new Date(now - 60 * 60 * 1000), notAfter: new Date(now + lifetimeMs) };
}
