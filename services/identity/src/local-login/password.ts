/**
 * Passwords of local accounts: argon2id through node:crypto; bcrypt hashes of systems people came from are read.
 *
 * Owns: the hash format and its cost. Does not own: which passwords are good enough (accept-password.ts), who may log
 * in, throttling, storage. Spec: RFC 9106; PHC string format.
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

/** Characters. NIST SP 800-63B-4 §3.1.1.2: 15 where a password may be the only factor. No rule of composition. */
export const MIN_PASSWORD_LENGTH = 15;
/** Characters; nothing is ever cut off. */
export const MAX_PASSWORD_LENGTH = 256;
/** Bytes after normalisation; a bound on what one request can make us hash. */
const MAX_PASSWORD_BYTES = 4 * MAX_PASSWORD_LENGTH;

const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** A cost beyond 12 would let one login keep a thread busy for seconds. */
const BCRYPT = /^\$2[aby]\$(?:0[4-9]|1[0-2])\$[./A-Za-z0-9]{53}$/;
/** bcrypt reads no further: two passwords that agree so far would be one. */
const BCRYPT_MAX_BYTES = 72;

/** Checks bcrypt hashes off the event loop. */
export interface BcryptVerifier {
  verifyBcrypt(password: string, stored: string): Promise<boolean>;
}

/** The same text typed on two keyboards must hash the same (NIST SP 800-63B-4 §3.1.1.2). */
export const normalizedPassword = (password: string): string => password.normalize('NFKC');

const normalized = (password: string): Buffer => Buffer.from(normalizedPassword(password), 'utf8');

/** Null when the length is right, else what is wrong with it, in words. */
export const lengthProblem = (password: string): string | null => {
  const { length } = Array.from(normalizedPassword(password));
  if (length < MIN_PASSWORD_LENGTH) return `A password has at least ${MIN_PASSWORD_LENGTH} characters.`;
  return length > MAX_PASSWORD_LENGTH ? `A password has at most ${MAX_PASSWORD_LENGTH} characters.` : null;
};

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

/**
 * Hashes a password into a PHC string that carries its own salt and cost.
 * @throws INVALID_VALUE when the password is shorter than {@link MIN_PASSWORD_LENGTH} or longer than
 *   {@link MAX_PASSWORD_LENGTH} characters
 * @see RFC 9106 §4
 */
export async function hashPassword(password: string): Promise<string> {
  const problem = lengthProblem(password);
  if (problem !== null) {
    throw new AppError('INVALID_VALUE', problem, { fields: [{ pointer: '/password', code: 'length' }] });
  }
  return await derivedHash(normalized(password));
}

/** Hashes a password that was right until now, whatever the rules for new ones say: for an upgrade of its hash. */
export const rehashPassword = async (password: string): Promise<string> => await derivedHash(normalized(password));

const derivedHash = async (message: Buffer): Promise<string> => {
  const nonce = randomBytes(SALT_BYTES);
  const cost = { parallelism: LANES, tagLength: TAG_BYTES, memory: MEMORY_KIB, passes: PASSES };
  const tag = await derive('argon2id', { message, nonce, ...cost });
  return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${unpadded(nonce)}$${unpadded(tag)}`;
};

/** True for a hash of another kind or cost than new ones: it is replaced at the next successful login. */
export const isOutdatedHash = (stored: string): boolean =>
  !stored.startsWith(`$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$`);

/**
 * Tells whether a password belongs to a stored hash; the comparison is constant-time.
 * A missing or unreadable hash costs the same work and answers false, so that the time
 * of an answer says nothing about whether an account exists (ASVS 6.3.8).
 */
export async function verifyPassword(
  password: string,
  stored: string | null,
  bcrypt: BcryptVerifier,
): Promise<boolean> {
  const message = normalized(password);
  if (message.byteLength > MAX_PASSWORD_BYTES) return false;
  if (stored !== null && BCRYPT.test(stored)) {
    // As it was typed: whoever made the hash did not normalise.
    return Buffer.byteLength(password, 'utf8') <= BCRYPT_MAX_BYTES && (await bcrypt.verifyBcrypt(password, stored));
  }
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
