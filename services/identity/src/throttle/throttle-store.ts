import type { WriteTx } from '@sallyport/storage';

/** Counts one more attempt under each key and answers the counts, in the order of the keys. */
export const countAttempts = async (
  tx: WriteTx,
  keys: readonly Buffer[],
  window: { readonly now: Date; readonly endsAt: Date },
): Promise<number[]> => {
  const counts: number[] = [];
  for (const key of keys) {
    const [row] = await tx.query<{ failures: number }>(
      `INSERT INTO login_throttle (key, failures, window_ends_at) VALUES ($1, 1, $3)
       ON CONFLICT (key) DO UPDATE SET
         failures = CASE WHEN login_throttle.window_ends_at <= $2 THEN 1 ELSE login_throttle.failures + 1 END,
         window_ends_at = CASE WHEN login_throttle.window_ends_at <= $2 THEN $3 ELSE login_throttle.window_ends_at END
       RETURNING failures`,
      [key, window.now, window.endsAt],
    );
    counts.push(row?.failures ?? 0);
  }
  return counts;
};

/** Takes back one attempt under each key: it succeeded. */
export const uncountAttempts = async (tx: WriteTx, keys: readonly Buffer[]): Promise<void> => {
  await tx.query('UPDATE login_throttle SET failures = greatest(failures - 1, 0) WHERE key = ANY($1::bytea[])', [keys]);
};
