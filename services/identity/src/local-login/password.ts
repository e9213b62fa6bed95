/**
 * Passwords of local accounts (the break-glass Owner): argon2id through node:crypto.
 *
 * Owns: the hash format and its cost. Does not own: who may log in, throttling,
 * storage. Spec: RFC 9106; PHC string format.
 */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

import { AppError } from '@sallyport/errors';

const derive = promisify(argon2);

/** OWASP's argon2id floor: 19 MiB, two passes, one lane; about 20 ms off the event loop. */
const MEMORY_KIB = 19 * 1024;
const PASSES = 2;
const LANES = 1;
const SALT_BYTES = 16;
const TAG_BYTES = 32;

/** NIST SP 800-63B-4: at least 15 characters where the password is the only factor is advised, 8 is the floor. */
export const MIN_PASSWORD_LENGTH = 12;
/** Bytes after normalisation; a bound on what one request can make us hash. */
export const MAX_PASSWORD_BYTES = 1024;

const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** The same text typed on two keyboards must hash the same (NIST SP 800-63B-4 §3.1.1.2). */
const normalized = (password: string): Buffer => Buffer.from(password.normalize('NFKC'), 'utf8');

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

/**
 * Hashes a password into a PHC string that carries its own salt and cost.
 * @throws INVALID_VALUE when the password is shorter than {@link MIN_PASSWORD_LENGTH} characters or longer than {@link MAX_PASSWORD_BYTES}
 * @see RFC 9106 §4
 */
export async function hashPassword(password: string): Promise<string> {
  const message = normalized(password);
  if (Array.from(password).length < MIN_PASSWORD_LENGTH || message.byteLength > MAX_PASSWORD_BYTES) {
    throw new AppError('INVALID_VALUE', `A password has at least ${MIN_PASSWORD_LENGTH} characters.`, {
      fields: [{ pointer: '/password', code: 'length' }],
    });
  }
  const nonce = randomBytes(SALT_BYTES);
  const cost = { parallelism: LANES, tagLength: TAG_BYTES, memory: MEMORY_KIB, passes: PASSES };
  const tag = await derive('argon2id', { message, nonce, ...cost });
  return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${unpadded(nonce)}$${unpadded(tag)}`;
}

/**
 * Tells whether a password belongs to a stored hash; the comparison is constant-time.
 * A missing or unreadable hash costs the same work and answers false, so that the time
 * of an answer says nothing about whether an account exists (ASVS 6.3.8).
 */
export async function verifyPassword(password: string, stored: string | null): Promise<boolean> {
  const message = normalized(password);
  if (message.byteLength > MAX_PASSWORD_BYTES) return false;
  const parsed = parsePhc(stored);
  const { memory, passes, parallelism, nonce, expected } = parsed ?? DECOY;
  const tag = await derive('argon2id', { message, nonce, parallelism, tagLength: expected.byteLength, memory, passes });
  return timingSafeEqual(tag, expected) && parsed !== null;
}

interface ParsedHash {
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
  readonly nonce: Buffer;
  readonly expected: Buffer;
}

const DECOY: ParsedHash = {
  memory: MEMORY_KIB,
  passes: PASSES,
  parallelism: LANES,
  nonce: randomBytes(SALT_BYTES),
  expected: randomBytes(TAG_BYTES),
};

function parsePhc(stored: string | null): ParsedHash | null {
  const match = stored === null ? null : PHC.exec(stored);
  if (match === null) return null;
  const [, memory = '', passes = '', lanes = '', salt = '', tag = ''] = match;
  return {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(lanes),
    nonce: Buffer.from(salt, 'base64'),
    expected: Buffer.from(tag, 'base64'),
  };
}
