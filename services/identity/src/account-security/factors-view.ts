import type { ReadTx } from '@sallyport/storage';
import { z } from 'zod';

import { enrolledFactors, type EnrolledFactors, type Passkey } from '../factors/index.ts';
import { findPassword } from '../local-login/index.ts';

const time = z.iso.datetime();

export const passkeySchema = z.object({
  id: z.uuid(),
  name: z.string(),
  createdAt: time,
  lastUsedAt: time.nullable(),
  /** Lives on several devices, through the account of its vendor. */
  isSynced: z.boolean(),
});

/** How somebody signs in locally; no secret is in it. */
export const factorsSchema = z.object({
  password: z.object({ changedAt: time }).nullable(),
  totp: z.object({ confirmedAt: time, lastUsedAt: time.nullable(), isLocked: z.boolean() }).nullable(),
  passkeys: z.array(passkeySchema),
  recoveryCodesLeft: z.number().int(),
});

export const renderPasskey = ({ createdAt, lastUsedAt, ...passkey }: Passkey): z.output<typeof passkeySchema> => ({
  ...passkey,
  createdAt: createdAt.toISOString(),
  lastUsedAt: lastUsedAt?.toISOString() ?? null,
});

export interface SignInMethods extends EnrolledFactors {
  readonly passwordChangedAt: Date | null;
}

export const signInMethods = async (
  tx: ReadTx,
  key: { readonly orgId: string; readonly accountId: string },
): Promise<SignInMethods> => {
  const enrolled = await enrolledFactors(tx, key);
  const password = await findPassword(tx, key.orgId, key.accountId);
  return { ...enrolled, passwordChangedAt: password?.changedAt ?? null };
};

export const renderFactors = (methods: SignInMethods): z.output<typeof factorsSchema> => {
  const { passwordChangedAt, totp, passkeys, recoveryCodesLeft } = methods;
  return {
    password: passwordChangedAt === null ? null : { changedAt: passwordChangedAt.toISOString() },
    totp:
      totp === null
        ? null
        : {
            confirmedAt: totp.confirmedAt.toISOString(),
            lastUsedAt: totp.lastUsedAt?.toISOString() ?? null,
            isLocked: totp.isLocked,
          },
    passkeys: passkeys.map(renderPasskey),
    recoveryCodesLeft,
  };
};
