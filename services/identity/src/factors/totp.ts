/**
 * Time-based one-time passwords: the codes of authenticator apps. Pure.
 * @see RFC 6238, RFC 4226 §5.3, https://github.com/google/google-authenticator/wiki/Key-Uri-Format
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** s; ASVS 6.5.5 allows no more. */
export const STEP_SECONDS = 30;
const DIGITS = 6;
/** 160 bits: the length of the HMAC's output (RFC 4226 §4 R6). */
const SECRET_BYTES = 20;
/** Clocks of telephones are off; one step to either side (RFC 6238 §5.2). */
const TOLERATED_STEPS = 1;

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 4648 §6, without padding: what authenticator apps take. */
export const base32 = (bytes: Buffer): string => {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      text += BASE32[(value >>> (bits - 5)) & 31] ?? '';
      bits -= 5;
    }
    value &= (1 << bits) - 1;
  }
  return bits > 0 ? text + (BASE32[(value << (5 - bits)) & 31] ?? '') : text;
};

export const newTotpSecret = (): Buffer => randomBytes(SECRET_BYTES);

/** The number of the step a moment falls into. */
export const stepAt = (at: Date): bigint => BigInt(Math.floor(at.getTime() / 1000 / STEP_SECONDS));

/** The code of one step: HMAC-SHA-1, six digits, as every authenticator app reckons. @see RFC 4226 §5.3 */
export const codeAt = (secret: Buffer, step: bigint): string => {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(step);
  const mac = createHmac('sha1', secret).update(counter).digest();
  const offset = (mac.at(-1) ?? 0) & 0x0f;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 10 ** DIGITS).padStart(DIGITS, '0');
};

/** A code as people type it: digits, perhaps with spaces; null when it cannot be one. */
export const readTotpCode = (typed: string): string | null => {
  const code = typed.replaceAll(/[\s-]/g, '');
  return new RegExp(`^\\d{${String(DIGITS)}}$`).test(code) ? code : null;
};

/**
 * The step a code is right for, at most one away from now and after `lastStep`; null when there is none. Whoever accepts
 * it must store the step, so that no code works twice (RFC 6238 §5.2). All candidates are compared, in constant time.
 */
export const matchingStep = (secret: Buffer, code: string, now: Date, lastStep: bigint): bigint | null => {
  const current = stepAt(now);
  let found: bigint | null = null;
  for (let step = current - BigInt(TOLERATED_STEPS); step <= current + BigInt(TOLERATED_STEPS); step += 1n) {
    const isRight = step >= 0n && timingSafeEqual(Buffer.from(codeAt(secret, step)), Buffer.from(code));
    if (isRight && step > lastStep) found ??= step;
  }
  return found;
};

/** What an authenticator app reads, from a QR code or as a link. */
export const otpauthUri = (secret: Buffer, labels: { readonly issuer: string; readonly account: string }): string => {
  const issuer = encodeURIComponent(labels.issuer);
  const account = encodeURIComponent(labels.account);
  const query = `secret=${base32(secret)}&issuer=${issuer}&algorithm=SHA1&digits=${String(DIGITS)}&period=${String(STEP_SECONDS)}`;
  return `otpauth://totp/${issuer}:${account}?${query}`;
};
