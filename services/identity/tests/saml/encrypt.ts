/**
 * Encrypts assertions for tests, rightly and in every wrong way. What is right is held against xml-encryption, an
 * independent implementation, in encryption.test.ts.
 */
import { constants, createCipheriv, publicEncrypt, randomBytes } from 'node:crypto';

import type { SigningKey } from './idp.ts';

const XENC = 'http://www.w3.org/2001/04/xmlenc#';
const XENC11 = 'http://www.w3.org/2009/xmlenc11#';
export const AES128_GCM = `${XENC11}aes128-gcm`;
export const AES256_GCM = `${XENC11}aes256-gcm`;
export const AES256_CBC = `${XENC}aes256-cbc`;
export const RSA_1_5 = `${XENC}rsa-1_5`;
export const RSA_OAEP = `${XENC11}rsa-oaep`;
export const RSA_OAEP_MGF1P = `${XENC}rsa-oaep-mgf1p`;
export const SHA1 = 'http://www.w3.org/2000/09/xmldsig#sha1';
export const SHA256 = `${XENC}sha256`;
export const MGF1_SHA256 = `${XENC11}mgf1sha256`;

export interface EncryptOptions {
  /** Whose certificate the key is wrapped for. */
  readonly for: SigningKey;
  readonly content?: string;
  readonly transport?: string;
  /** What the message says; null leaves it out. */
  readonly digest?: string | null;
  readonly mask?: string | null;
  /** What is really used. */
  readonly oaepHash?: string;
  readonly contentKey?: Buffer;
  /** Inside the KeyInfo, beside the EncryptedData with a pointer, or beside it without one. */
  readonly place?: 'inside' | 'pointer' | 'beside';
  readonly type?: string | null;
  readonly alterKey?: (bytes: Buffer) => Buffer;
  readonly alterText?: (bytes: Buffer) => Buffer;
  readonly alter?: (xml: string) => string;
}

const encryptContent = (plain: string, algorithm: string, key: Buffer): Buffer => {
  if (algorithm.endsWith('cbc')) {
    const iv = randomBytes(16);
    const cipher = createCipheriv('aes-256-cbc', key, iv);
    return Buffer.concat([iv, cipher.update(plain, 'utf8'), cipher.final()]);
  }
  const nonce = randomBytes(12);
  const cipher = createCipheriv(key.byteLength === 16 ? 'aes-128-gcm' : 'aes-256-gcm', key, nonce);
  return Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
};

const wrapKey = (key: Buffer, options: EncryptOptions): Buffer =>
  options.transport === RSA_1_5
    ? publicEncrypt({ key: options.for.cert, padding: constants.RSA_PKCS1_PADDING }, key)
    : publicEncrypt(
        { key: options.for.cert, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: options.oaepHash ?? 'sha256' },
        key,
      );

const said = (name: string, algorithm: string | null): string =>
  algorithm === null ? '' : `<${name} Algorithm="${algorithm}"></${name}>`;

/** `<saml:EncryptedAssertion>` around the text of an assertion. */
export const encryptedAssertion = (assertion: string, options: EncryptOptions): string => {
  const content = options.content ?? AES256_GCM;
  const key = options.contentKey ?? randomBytes(content.includes('128') ? 16 : 32);
  const unaltered = (bytes: Buffer): Buffer => bytes;
  const wrapped = (options.alterKey ?? unaltered)(wrapKey(key, options)).toString('base64');
  const text = (options.alterText ?? unaltered)(encryptContent(assertion, content, key)).toString('base64');
  const digest = options.digest === undefined ? SHA256 : options.digest;
  const mask = options.mask === undefined ? MGF1_SHA256 : options.mask;
  const hashes = `${said('ds:DigestMethod', digest)}${said('xenc11:MGF', mask)}`;
  const encryptedKey = `<xenc:EncryptedKey Id="_ek"><xenc:EncryptionMethod Algorithm="${options.transport ?? RSA_OAEP}">${hashes}</xenc:EncryptionMethod><xenc:CipherData><xenc:CipherValue>${wrapped}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>`;
  const place = options.place ?? 'inside';
  const pointer = `<ds:RetrievalMethod Type="${XENC}EncryptedKey" URI="#_ek"></ds:RetrievalMethod>`;
  const info = place === 'beside' ? '' : `<ds:KeyInfo>${place === 'inside' ? encryptedKey : pointer}</ds:KeyInfo>`;
  const type = options.type === null ? '' : ` Type="${options.type ?? `${XENC}Element`}"`;
  const data = `<xenc:EncryptedData Id="_ed"${type}><xenc:EncryptionMethod Algorithm="${content}"></xenc:EncryptionMethod>${info}<xenc:CipherData><xenc:CipherValue>${text}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>`;
  const xml = `<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xenc="${XENC}" xmlns:xenc11="${XENC11}" xmlns:ds="http://www.w3.org/2000/09/xmldsig#">${data}${place === 'inside' ? '' : encryptedKey}</saml:EncryptedAssertion>`;
  return options.alter?.(xml) ?? xml;
};
