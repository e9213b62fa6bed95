import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import type { JWK } from 'oidc-provider';
import type { StateStore } from '../state/store.ts';

const RSA_BITS = 2048;

/** The signing key and the cookie secret of the OpenID Provider, made once and kept. */
export async function openOidcKeys(store: StateStore): Promise<{ jwk: JWK; cookieSecret: string }> {
  const { keys } = store.state;
  if (keys.oidcPrivateKeyPem === null || keys.cookieSecret === null) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: RSA_BITS });
    keys.oidcPrivateKeyPem ??= privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    keys.cookieSecret ??= randomBytes(32).toString('base64url');
    store.save();
  }
  const jwk = await exportJWK(createPrivateKey(keys.oidcPrivateKeyPem));
  const kid = await calculateJwkThumbprint(jwk);
  return { jwk: { ...jwk, kid, alg: 'RS256', use: 'sig' }, cookieSecret: keys.cookieSecret };
}
