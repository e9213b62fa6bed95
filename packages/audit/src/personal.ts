import { createHash, randomBytes } from 'node:crypto';

/** A personal value on its way into an entry: the leaf gets a commitment, the value itself is sealed beside the log. */
export class Personal {
  readonly subjectId: string;
  readonly value: string;

  constructor(subjectId: string, value: string) {
    this.subjectId = subjectId;
    this.value = value;
  }

  /** Never the value, wherever it might be printed by mistake. */
  toJSON(): string {
    return '[personal]';
  }
}

/**
 * Marks a value as personal data of one subject (name, e-mail, user name, phone, IP address, user agent).
 * null and undefined stay what they are.
 */
export const personal = <V extends string | null | undefined>(
  subjectId: string,
  value: V,
): Personal | Exclude<V, string> =>
  typeof value === 'string' ? new Personal(subjectId, value) : (value as Exclude<V, string>);

const SALT_BYTES = 32;

export interface Commitment {
  /** SHA-256("pii1" ‖ salt ‖ length-prefixed field ‖ length-prefixed value), base64. */
  readonly commitment: string;
  readonly salt: Buffer;
}

const lengthPrefixed = (text: string): Buffer => {
  const bytes = Buffer.from(text, 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

/** The commitment hides the value because the salt is random and lives only inside the sealed opening. */
export const commit = (field: string, value: string, salt: Buffer = randomBytes(SALT_BYTES)): Commitment => ({
  salt,
  commitment: createHash('sha256')
    .update('pii1')
    .update(salt)
    .update(lengthPrefixed(field))
    .update(lengthPrefixed(value))
    .digest('base64'),
});

/** salt ‖ value, the plaintext of a sealed opening. */
export const packOpening = (salt: Buffer, value: string): Buffer => Buffer.concat([salt, Buffer.from(value, 'utf8')]);

/** What `packOpening` packed. */
export const unpackOpening = (opening: Buffer): { readonly salt: Buffer; readonly value: string } => ({
  salt: opening.subarray(0, SALT_BYTES),
  value: opening.subarray(SALT_BYTES).toString('utf8'),
});
