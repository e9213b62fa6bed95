import type { WriteTx } from '@sallyport/storage';

export const insertChallenge = async (
  tx: WriteTx,
  challenge: { readonly hash: Buffer; readonly boundTo: Buffer; readonly expiresAt: Date },
): Promise<void> => {
  await tx.query('INSERT INTO passkey_challenge (challenge_hash, bound_to, expires_at) VALUES ($1, $2, $3)', [
    challenge.hash,
    challenge.boundTo,
    challenge.expiresAt,
  ]);
};

/** Uses a challenge up, whether or not it is bound to this; true when it was and has not expired. */
export const takeChallenge = async (
  tx: WriteTx,
  challenge: { readonly hash: Buffer; readonly boundTo: Buffer; readonly now: Date },
): Promise<boolean> => {
  const [row] = await tx.query<{ is_ours: boolean }>(
    `DELETE FROM passkey_challenge WHERE challenge_hash = $1 RETURNING bound_to = $2 AND expires_at > $3 AS is_ours`,
    [challenge.hash, challenge.boundTo, challenge.now],
  );
  return row?.is_ours ?? false;
};

export const deleteExpiredChallenges = async (tx: WriteTx, now: Date): Promise<void> => {
  await tx.query('DELETE FROM passkey_challenge WHERE expires_at <= $1', [now]);
};
