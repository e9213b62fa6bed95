import type { Keyring } from '@sallyport/keyring';

import type { FactorOwner } from './factor.ts';

const PURPOSE = 'totp-secret';

/** Seals the secret of an authenticator app: it opens for no other account. */
export const sealTotpSecret = (keyring: Keyring, { orgId, accountId }: FactorOwner, secret: Buffer): Buffer =>
  keyring.seal(orgId, PURPOSE, accountId, secret);

/** @throws INTERNAL when it was sealed for another account or changed since */
export const openTotpSecret = (keyring: Keyring, { orgId, accountId }: FactorOwner, sealed: Buffer): Buffer =>
  keyring.open(orgId, PURPOSE, accountId, sealed);
