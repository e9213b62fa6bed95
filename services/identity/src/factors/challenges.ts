import { randomBytes } from 'node:crypto';

import { secretHash, type Clock, type Database } from '@sallyport/storage';

import type { FactorOwner } from './factor.ts';
import { insertChallenge, takeChallenge } from './challenge-store.ts';

const CHALLENGE_BYTES = 32;
/** ms; what browsers give people to find their key, and a little more. */
export const CHALLENGE_LIFE_MS = 5 * 60_000;

/**
 * What a ceremony is bound to: a challenge answers only for the browser, the account in its epoch and the purpose it was
 * made for. Parts are length-prefixed, so that no two bindings look the same.
 */
export type ChallengeBinding = Buffer;

const bindingOf = (...parts: readonly string[]): ChallengeBinding =>
  secretHash(parts.map((part) => `${String(part.length)}:${part}`).join(''));

/** Somebody who has not said yet who they are. */
export const signInBinding = (browserSecret: string): ChallengeBinding => bindingOf('sign-in', browserSecret);

/** A known account; `anchor` is the session, or the half-finished login together with its browser. */
export const accountBinding = (
  purpose: 'register' | 'verify',
  { orgId, accountId, epoch }: FactorOwner,
  anchor: string,
): ChallengeBinding => bindingOf(purpose, orgId, accountId, epoch.toString(), anchor);

type Dependencies = { readonly db: Database; readonly clock: Pick<Clock, 'now'> };

/** A new challenge, base64url; its hash is stored. */
export const newChallenge = async ({ db, clock }: Dependencies, binding: ChallengeBinding): Promise<string> => {
  const challenge = randomBytes(CHALLENGE_BYTES).toString('base64url');
  const expiresAt = new Date(clock.now().getTime() + CHALLENGE_LIFE_MS);
  await db.unauditedWrite('all-organizations', 'a passkey ceremony has begun', async (tx) => {
    await insertChallenge(tx, { hash: secretHash(challenge), boundTo: binding, expiresAt });
  });
  return challenge;
};

/** Uses a challenge up: true once, for whom it was made, before it expires. */
export const consumeChallenge = async (
  { db, clock }: Dependencies,
  challenge: string,
  binding: ChallengeBinding,
): Promise<boolean> =>
  await db.unauditedWrite('all-organizations', 'a passkey challenge works once', async (tx) => {
    return await takeChallenge(tx, { hash: secretHash(challenge), boundTo: binding, now: clock.now() });
  });
