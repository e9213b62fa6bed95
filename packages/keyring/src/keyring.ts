import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto';

import { AppError } from '@sallyport/errors';

/** Derived keys that are remembered. */
const MAX_DERIVED = 1_000;
const VERSION = 1;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A random 256-bit key; keep it no longer than the call that needs it. */
export type DataKey = KeyObject;

export interface Keyring {
  /**
   * Seals a value for one organisation and purpose. `context` is authenticated, not stored: opening needs the same.
   */
  seal(orgId: string, purpose: string, context: string, value: Buffer): Buffer;
  /** @throws INTERNAL when the value was not sealed with this key, for this organisation, purpose and context. */
  open(orgId: string, purpose: string, context: string, sealed: Buffer): Buffer;
  /** A new data key and its wrapped form, bound to one organisation and owner (usually a subject id). */
  createDataKey(orgId: string, owner: string): { readonly key: DataKey; readonly wrapped: Buffer };
  unwrapDataKey(orgId: string, owner: string, wrapped: Buffer): DataKey;
  sealWith(key: DataKey, context: string, value: Buffer): Buffer;
  openWith(key: DataKey, context: string, sealed: Buffer): Buffer;
  /** HMAC-SHA-256 of a value, for one organisation and purpose: tells equal values apart from others, and no more. */
  mac(orgId: string, purpose: string, value: Buffer): Buffer;
}

// A key that is a KeyObject already is three times as fast as one that is made into one for every value.
const encrypt = (key: KeyObject, context: string, value: Buffer): Buffer => {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context, 'utf8'));
  const body = Buffer.concat([cipher.update(value), cipher.final()]);
  return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), body]);
};

const decrypt = (key: KeyObject, context: string, sealed: Buffer): Buffer => {
  const bodyAt = 1 + NONCE_BYTES + TAG_BYTES;
  if (sealed.length < bodyAt || sealed[0] !== VERSION) {
    throw new AppError('INTERNAL', 'A sealed value has an unknown format.');
  }
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, 1 + NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  })
    .setAAD(Buffer.from(context, 'utf8'))
    .setAuthTag(sealed.subarray(1 + NONCE_BYTES, bodyAt));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(bodyAt)), decipher.final()]);
  } catch (error) {
    throw new AppError('INTERNAL', 'A sealed value cannot be opened.', { cause: error });
  }
};

// Length-prefixed, so that no two pairs of names give the same text.
const label = (...names: string[]): Buffer =>
  Buffer.from(names.map((name) => `${String(Buffer.byteLength(name))}:${name}`).join(''), 'utf8');

class MasterKeyring implements Keyring {
  readonly #master: Buffer;
  readonly #derived = new Map<string, KeyObject>();

  constructor(master: Buffer) {
    this.#master = master;
  }

  seal(orgId: string, purpose: string, context: string, value: Buffer): Buffer {
    return encrypt(this.#derive(orgId, purpose), context, value);
  }

  open(orgId: string, purpose: string, context: string, sealed: Buffer): Buffer {
    return decrypt(this.#derive(orgId, purpose), context, sealed);
  }

  createDataKey(orgId: string, owner: string): { readonly key: DataKey; readonly wrapped: Buffer } {
    const key = randomBytes(KEY_BYTES);
    return { key: createSecretKey(key), wrapped: this.seal(orgId, 'data-key', owner, key) };
  }

  unwrapDataKey(orgId: string, owner: string, wrapped: Buffer): DataKey {
    return createSecretKey(this.open(orgId, 'data-key', owner, wrapped));
  }

  sealWith(key: DataKey, context: string, value: Buffer): Buffer {
    return encrypt(key, context, value);
  }

  openWith(key: DataKey, context: string, sealed: Buffer): Buffer {
    return decrypt(key, context, sealed);
  }

  mac(orgId: string, purpose: string, value: Buffer): Buffer {
    return createHmac('sha256', this.#derive(orgId, purpose)).update(value).digest();
  }

  #derive(orgId: string, purpose: string): KeyObject {
    const name = label('sallyport', orgId, purpose);
    const id = name.toString('utf8');
    const known = this.#derived.get(id);
    if (known !== undefined) return known;
    // They follow from the master key, which is in memory as well.
    if (this.#derived.size >= MAX_DERIVED) this.#derived.clear();
    const key = createSecretKey(Buffer.from(hkdfSync('sha256', this.#master, Buffer.alloc(0), name, KEY_BYTES)));
    this.#derived.set(id, key);
    return key;
  }
}

/** @throws INTERNAL unless the master key has exactly 32 bytes. */
export const openKeyring = (options: { readonly masterKey: Buffer }): Keyring => {
  if (options.masterKey.length !== KEY_BYTES) {
    throw new AppError('INTERNAL', `The master key must have ${String(KEY_BYTES)} bytes.`);
  }
  return new MasterKeyring(Buffer.from(options.masterKey));
};
