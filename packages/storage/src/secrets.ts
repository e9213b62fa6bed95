import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const BODY_LENGTH = 43; // ceil(256 bit / log2(62))
const CHECK_LENGTH = 6; // ceil(32 bit / log2(62))

const toBase62 = (value: bigint, length: number): string => {
  let rest = value;
  let text = '';
  for (let position = 0; position < length; position += 1) {
    text = (ALPHABET[Number(rest % 62n)] ?? '') + text;
    rest /= 62n;
  }
  return text;
};

const checksum = (text: string): string => toBase62(BigInt(crc32(text)), CHECK_LENGTH);

/**
 * A new bearer secret: `<prefix><43 base62 characters = 256 random bits><6 characters of CRC-32>`.
 * Prefix and checksum let a secret scanner recognise it without asking us. Shown once, stored as {@link secretHash}.
 */
export const newSecret = (prefix: string): string => {
  const body = prefix + toBase62(BigInt(`0x${randomBytes(32).toString('hex')}`), BODY_LENGTH);
  return body + checksum(body);
};

/** True when the text has the form of a secret with this prefix, checksum included: saves a database look-up. */
export const isWellFormedSecret = (prefix: string, text: string): boolean => {
  if (text.length !== prefix.length + BODY_LENGTH + CHECK_LENGTH || !text.startsWith(prefix)) return false;
  const body = text.slice(0, -CHECK_LENGTH);
  return checksum(body) === text.slice(-CHECK_LENGTH);
};

// By way of hex: a hash asked for as bytes takes four times as long.
const sha256 = (value: string | Buffer): Buffer => Buffer.from(hash('sha256', value, 'hex'), 'hex');

/**
 * What is stored of a high-entropy secret: its SHA-256. Finding a row by this hash does not leak the secret through
 * timing, because an attacker cannot steer the hash. Not for passwords.
 */
export const secretHash = (secret: string): Buffer => sha256(secret);

/** Compares in time that depends on the length of the inputs only, not on their contents. */
export const constantTimeEqual = (left: string | Buffer, right: string | Buffer): boolean => {
  return timingSafeEqual(sha256(left), sha256(right));
};
