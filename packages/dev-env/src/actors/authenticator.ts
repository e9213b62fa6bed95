import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

/** The CBOR an authenticator needs (RFC 8949): integers, byte strings, text strings, maps. */
type Cbor = number | string | Buffer | ReadonlyMap<number | string, Cbor>;

const head = (major: number, value: number): Buffer => {
  if (value < 24) return Buffer.of((major << 5) | value);
  return value < 256 ? Buffer.of((major << 5) | 24, value) : Buffer.of((major << 5) | 25, value >> 8, value & 255);
};

const cbor = (value: Cbor): Buffer => {
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  return Buffer.concat([head(5, value.size), ...[...value].flatMap(([key, item]) => [cbor(key), cbor(item)])]);
};

const sha256 = (data: Buffer | string): Buffer => createHash('sha256').update(data).digest();

/** What a dishonest or broken authenticator or page does differently. */
export interface Deviation {
  readonly origin?: string;
  readonly rpId?: string;
  readonly type?: string;
  readonly challenge?: string;
  readonly crossOrigin?: boolean;
  readonly userPresent?: boolean;
  readonly userVerified?: boolean;
  readonly signCount?: number;
  /** Signs with another key than the one it registered. */
  readonly otherKey?: boolean;
  readonly userHandle?: string | null;
  readonly credentialId?: Buffer;
  /** COSE algorithm it claims. */
  readonly algorithm?: number;
}

interface Options {
  readonly challenge: string;
  readonly rp?: { readonly id: string };
  readonly rpId?: string;
  readonly user?: { readonly id: string };
}

/** An authenticator in software: makes and uses one discoverable ES256 credential (WebAuthn Level 3 §6). */
export class Authenticator {
  readonly credentialId = randomBytes(32);
  readonly #origin: string;
  readonly #synced: boolean;
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  #userHandle: string | null = null;
  #signCount: number;

  constructor(origin: string, options: { readonly synced?: boolean; readonly counts?: boolean } = {}) {
    this.#origin = origin;
    this.#synced = options.synced ?? false;
    this.#signCount = (options.counts ?? true) ? 1 : 0;
  }

  /** What `navigator.credentials.create()` answers, as JSON. */
  create({ publicKey }: { readonly publicKey: Options }, deviation: Deviation = {}): object {
    this.#userHandle = publicKey.user?.id ?? null;
    const { x = '', y = '' } = this.#keys.publicKey.export({ format: 'jwk' });
    const key = new Map<number, Cbor>([
      [1, 2],
      [3, deviation.algorithm ?? -7],
      [-1, 1],
      [-2, Buffer.from(x, 'base64url')],
      [-3, Buffer.from(y, 'base64url')],
    ]);
    const id = deviation.credentialId ?? this.credentialId;
    const length = Buffer.alloc(2);
    length.writeUInt16BE(id.length);
    const attested = Buffer.concat([Buffer.alloc(16), length, id, cbor(key)]);
    const authData = this.#authData(publicKey.rp?.id ?? '', 0x40, deviation, attested);
    const attestationObject = cbor(
      new Map<string, Cbor>([
        ['fmt', 'none'],
        ['attStmt', new Map()],
        ['authData', authData],
      ]),
    );
    return {
      id: id.toString('base64url'),
      rawId: id.toString('base64url'),
      type: 'public-key',
      clientExtensionResults: {},
      response: {
        clientDataJSON: this.#clientData('webauthn.create', publicKey.challenge, deviation).toString('base64url'),
        attestationObject: attestationObject.toString('base64url'),
        transports: ['internal', 'made-up'],
      },
    };
  }

  /** What `navigator.credentials.get()` answers, as JSON. */
  get({ publicKey }: { readonly publicKey: Options }, deviation: Deviation = {}): object {
    if (this.#signCount > 0) this.#signCount += 1;
    const clientData = this.#clientData('webauthn.get', publicKey.challenge, deviation);
    const authData = this.#authData(publicKey.rpId ?? '', 0, deviation);
    const id = (deviation.credentialId ?? this.credentialId).toString('base64url');
    const key: KeyObject =
      deviation.otherKey === true
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
        : this.#keys.privateKey;
    const userHandle = deviation.userHandle === undefined ? this.#userHandle : deviation.userHandle;
    return {
      id,
      rawId: id,
      type: 'public-key',
      clientExtensionResults: {},
      response: {
        clientDataJSON: clientData.toString('base64url'),
        authenticatorData: authData.toString('base64url'),
        signature: sign('sha256', Buffer.concat([authData, sha256(clientData)]), key).toString('base64url'),
        ...(userHandle === null ? {} : { userHandle }),
      },
    };
  }

  #clientData(type: string, challenge: string, deviation: Deviation): Buffer {
    return Buffer.from(
      JSON.stringify({
        type: deviation.type ?? type,
        challenge: deviation.challenge ?? challenge,
        origin: deviation.origin ?? this.#origin,
        crossOrigin: deviation.crossOrigin ?? false,
      }),
    );
  }

  #authData(rpId: string, flags: number, deviation: Deviation, attested = Buffer.alloc(0)): Buffer {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(deviation.signCount ?? this.#signCount);
    const all =
      flags |
      ((deviation.userPresent ?? true) ? 0x01 : 0) |
      ((deviation.userVerified ?? true) ? 0x04 : 0) |
      (this.#synced ? 0x18 : 0);
    return Buffer.concat([sha256(deviation.rpId ?? rpId), Buffer.of(all), count, attested]);
  }
}
