import type { Clock, Database } from '@sallyport/storage';

import { consumeChallenge, type ChallengeBinding } from './challenges.ts';
import type { FactorOwner } from './factor.ts';
import { findPasskeyByCredentialId, usePasskey, type StoredPasskey } from './passkey-store.ts';
import {
  readClientData,
  relyingPartyOf,
  verifyAssertion,
  type AssertionAnswer,
  type WebauthnRefusal,
} from './webauthn.ts';

/** `passkey` is set in a refusal when its signature was right, so that the refusal can be laid at its account's door. */
export type VerifiedPasskey =
  | { readonly ok: true; readonly passkey: StoredPasskey }
  | {
      readonly ok: false;
      readonly reason: WebauthnRefusal | 'PASSKEY_UNKNOWN';
      readonly passkey: StoredPasskey | null;
    };

interface Dependencies {
  readonly db: Database;
  readonly clock: Pick<Clock, 'now'>;
  readonly config: { readonly publicOrigin: string };
}

/**
 * Checks what an authenticator signed.
 *
 * 1. The challenge is used up, whatever comes next: it works once, for the browser or account it was made for.
 * 2. Not from within a frame of another site. 3. The passkey is known, and `owner`'s if somebody is known already.
 * 4. Signature, origin, RP id, user verification, user handle, counter. 5. The counter is written only forward.
 */
export const verifyPasskey = async (
  dependencies: Dependencies,
  answer: AssertionAnswer,
  binding: ChallengeBinding,
  owner: Pick<FactorOwner, 'orgId' | 'accountId'> | null,
): Promise<VerifiedPasskey> => {
  const { db, clock, config } = dependencies;
  const clientData = readClientData(answer);
  if (clientData === null) return refused('MALFORMED');
  const { challenge } = clientData;
  if (!(await consumeChallenge(dependencies, challenge, binding))) return refused('CHALLENGE_UNKNOWN'); // 1
  if (clientData.isCrossOrigin) return refused('CROSS_ORIGIN'); // 2
  const passkey = await db.readAcrossOrganizations('an authenticator names no organisation', async (tx) => {
    return await findPasskeyByCredentialId(tx, Buffer.from(answer.rawId, 'base64url'));
  });
  const isForeign = owner !== null && (passkey?.orgId !== owner.orgId || passkey.accountId !== owner.accountId);
  if (passkey === null || isForeign) return refused('PASSKEY_UNKNOWN'); // 3
  const verified = await verifyAssertion(relyingPartyOf(config.publicOrigin), answer, {
    challenge,
    credential: passkey,
  }); // 4
  if (!verified.ok) return refused(verified.reason, verified.reason === 'NOT_VERIFIED' ? null : passkey);
  const { signCount, isBackedUp } = verified;
  const isFirst = await db.unauditedWrite(passkey.orgId, 'last use and counter of a passkey', async (tx) => {
    return await usePasskey(tx, passkey, { signCount, isBackedUp, at: clock.now() });
  }); // 5
  return isFirst ? { ok: true, passkey } : refused('COUNTER_REGRESSED', passkey);
};

const refused = (
  reason: WebauthnRefusal | 'PASSKEY_UNKNOWN',
  passkey: StoredPasskey | null = null,
): VerifiedPasskey => ({ ok: false, reason, passkey });
