import type { AuditContext } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { newId } from '@sallyport/storage';

import { findAccount } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { accountBinding, consumeChallenge, newChallenge } from './challenges.ts';
import type { Enrolled } from './enrol-totp.ts';
import { MAX_PASSKEYS, type FactorOwner, type Passkey } from './factor.ts';
import { assertMayEnrol, lockOwner, type EnrolledBy } from './lock-owner.ts';
import { notifyOwner } from './notify-owner.ts';
import { insertPasskey, listPasskeys } from './passkey-store.ts';
import { firstRecoveryCodes } from './recovery.ts';
import {
  readClientData,
  registrationOptions,
  relyingPartyOf,
  verifyRegistration,
  type RegisteredCredential,
  type RegistrationAnswer,
} from './webauthn.ts';

/** What a browser needs to make a passkey; `anchor` is the session or the half-finished login it is asked for in. */
export const startPasskey = async (context: IdentityContext, owner: FactorOwner, anchor: string): Promise<object> => {
  const { account, exclude } = await context.db.read(owner.orgId, async (tx) => ({
    account: await findAccount(tx, owner.orgId, owner.accountId),
    exclude: await listPasskeys(tx, owner),
  }));
  if (account === undefined) throw new AppError('LOGIN_REFUSED', 'This sign-in has ended. Sign in again.');
  if (exclude.length >= MAX_PASSKEYS) throw tooMany();
  const challenge = await newChallenge(context, accountBinding('register', owner, anchor));
  return await registrationOptions(relyingPartyOf(context.config.publicOrigin), {
    challenge,
    accountId: owner.accountId,
    userName: account.userName,
    displayName: account.displayName,
    exclude,
  });
};

const tooMany = (): AppError =>
  new AppError('CONFLICT', `An account has at most ${String(MAX_PASSKEYS)} passkeys. Remove one first.`);

const refuse = (): never => {
  throw new AppError('INVALID_VALUE', 'The passkey could not be added. Try again.', {
    fields: [{ pointer: '/response', code: 'refused' }],
  });
};

export interface EnrolledPasskey extends Enrolled {
  readonly passkey: Passkey;
}

/**
 * Adds the passkey a browser made. The challenge is used up, whatever becomes of the rest.
 * @throws INVALID_VALUE when the answer does not hold, or the authenticator is registered already; CONFLICT,
 *   LOGIN_REFUSED
 */
export const finishPasskey = async (
  context: IdentityContext,
  owner: FactorOwner,
  request: {
    readonly anchor: string;
    readonly answer: RegistrationAnswer;
    readonly name: string;
    readonly by: EnrolledBy;
  },
  auditContext: AuditContext,
): Promise<EnrolledPasskey> => {
  const credential = await checkRegistration(context, owner, request);
  const { value } = await context.audit.mutate(auditContext, async (tx): Promise<EnrolledPasskey> => {
    const { account } = await lockOwner(tx, owner);
    await assertMayEnrol(tx, owner, request.by);
    const known = await listPasskeys(tx, owner);
    if (known.length >= MAX_PASSKEYS) throw tooMany();
    const now = context.clock.now();
    const passkey = { id: newId(), name: request.name, createdAt: now, isSynced: credential.isSynced };
    const { orgId, accountId } = owner;
    if (!(await insertPasskey(tx, { ...credential, ...passkey, orgId, accountId }))) refuse();
    tx.record({
      action: 'passkey.added',
      target: { type: 'passkey', id: passkey.id },
      after: { accountId, name: passkey.name, isSynced: credential.isSynced, aaguid: credential.aaguid },
    });
    await notifyOwner(tx, context, account, `A passkey was added to your account: ${passkey.name}`);
    return { passkey: { ...passkey, lastUsedAt: null }, recoveryCodes: await firstRecoveryCodes(tx, owner, now) };
  });
  context.mail.wake();
  return value;
};

const checkRegistration = async (
  context: IdentityContext,
  owner: FactorOwner,
  { anchor, answer }: { readonly anchor: string; readonly answer: RegistrationAnswer },
): Promise<RegisteredCredential> => {
  const clientData = readClientData(answer) ?? refuse();
  const binding = accountBinding('register', owner, anchor);
  if (!(await consumeChallenge(context, clientData.challenge, binding)) || clientData.isCrossOrigin) refuse();
  const relyingParty = relyingPartyOf(context.config.publicOrigin);
  return (await verifyRegistration(relyingParty, answer, clientData.challenge)) ?? refuse();
};
