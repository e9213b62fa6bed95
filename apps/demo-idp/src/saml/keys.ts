import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { SamlKeyName, StoredKeyPair } from '../state/state.ts';
import type { StateStore } from '../state/store.ts';
import { selfSignedCertificate } from './certificate.ts';

/** A private key with the certificate that carries its public half. */
export interface SigningKey {
  readonly privateKey: KeyObject;
  readonly certificatePem: string;
}

/** The keys SAML messages are signed with. */
export interface SamlKeys {
  /** The named key, made at its first use and kept from then on. */
  get(name: SamlKeyName): SigningKey;
  /** A key nobody was told about, for messages that must be refused; never stored, never in the metadata. */
  foreign(): SigningKey;
}

const RSA_BITS = 2048;

/** The signing keys over the stored state. */
export function createSamlKeys(store: StateStore, clock: Clock): SamlKeys {
  const opened = new Map<SamlKeyName, SigningKey>();
  let foreignKey: SigningKey | null = null;

  function open(pair: StoredKeyPair): SigningKey {
    return { privateKey: createPrivateKey(pair.privateKeyPem), certificatePem: pair.certificatePem };
  }

  function generate(type: 'rsa' | 'ec', label: string): StoredKeyPair {
    const privateKey =
      type === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: RSA_BITS }).privateKey
        : generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    return {
      privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      certificatePem: selfSignedCertificate(privateKey, `Acme demo identity provider (${label})`, clock.now()),
    };
  }

  return {
    get(name) {
      const known = opened.get(name);
      if (known !== undefined) return known;
      const { saml } = store.state.keys;
      let pair = saml[name];
      if (pair === undefined) {
        pair = generate(name === 'ec' ? 'ec' : 'rsa', name);
        saml[name] = pair;
        store.save();
      }
      const key = open(pair);
      opened.set(name, key);
      return key;
    },
    foreign() {
      foreignKey ??= open(generate('rsa', 'nobody knows this one'));
      return foreignKey;
    },
  };
}
