import { createHmac, randomBytes } from 'node:crypto';

/** How many somebody gets at once; new ones replace all old ones. */
export const RECOVERY_CODES = 10;

// Crockford's alphabet: nothing in it is taken for something else.
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const GROUPS = 4;
const GROUP_LENGTH = 4;
const LENGTH = GROUPS * GROUP_LENGTH;

const CODE = new RegExp(`^[${ALPHABET}]{${String(LENGTH)}}$`);

const newCode = (): string => {
  // 32 letters divide 256 evenly: every letter is as likely as every other. 80 bits in all.
  const letters = [...randomBytes(LENGTH)].map((byte) => ALPHABET[byte & 31] ?? '').join('');
  return letters.replaceAll(/(.{4})(?=.)/g, '$1-');
};

/** New recovery codes, to be shown once. */
export const newRecoveryCodes = (): string[] => Array.from({ length: RECOVERY_CODES }, newCode);

/** A code as people type it, whatever the case and the gaps; null when it cannot be one. */
export const readRecoveryCode = (typed: string): string | null => {
  const code = typed.toUpperCase().replaceAll(/[\s-]/g, '').replaceAll('O', '0').replaceAll(/[IL]/g, '1');
  return CODE.test(code) ? code : null;
};

/**
 * What is stored of a code. 80 random bits need no slow hash; the account in the hash keeps one account's codes from
 * being looked for among another's.
 * @param code as {@link readRecoveryCode} reads it
 */
export const recoveryCodeHash = (accountId: string, code: string): Buffer =>
  createHmac('sha256', `recovery-code:${accountId}`).update(code).digest();
