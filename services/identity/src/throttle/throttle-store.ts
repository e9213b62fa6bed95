import type { WriteTx } from '@sallyport/storage';

/** How many attempts a key has had, and when it starts afresh. */
export interface Counted {
  readonly failures: number;
  readonly windowEndsAt: Date;
}

/**
 * Counts one more attempt under each key and answers the counts, in the order of the keys. Rows are taken in byte order
 * here and below: logins of one address at the same time wait for each other and never in a circle.
 */
export const countAttempts = async (
  tx: WriteTx,
  keys: readonly Buffer[],
  window: { readonly now: Date; readonly endsAt: Date },
): Promise<Counted[]> => {
  const counts = new Map<Buffer, Counted>();
  for (const key of keys.toSorted((one, other) => Buffer.compare(one, other))) {
    const [row] = await tx.query<{ failures: number; window_ends_at: Date }>(
      `INSERT INTO login_throttle (key, failures, window_ends_at) VALUES ($1, 1, $3)
       ON CONFLICT (key) DO UPDATE SET
         failures = CASE WHEN login_throttle.window_ends_at <= $2 THEN 1 ELSE login_throttle.failures + 1 END,
         window_ends_at = CASE WHEN login_throttle.window_ends_at <= $2 THEN $3 ELSE login_throttle.window_ends_at END
       RETURNING failures, window_ends_at`,
      [key, window.now, window.endsAt],
    );
    counts.set(key, { failures: row?.failures ?? 0, windowEndsAt: row?.window_ends_at ?? window.endsAt });
  }
  return keys.map((key) => counts.get(key) ?? { failures: 0, windowEndsAt: window.endsAt });
};

/** Takes back one attempt under each key: it succeeded. */
export const uncountAttempts = async (tx: WriteTx, keys: readonly Buffer[]): Promise<void> => {
  await tx.query(
    `WITH held AS (SELECT key FROM login_throttle WHERE key = ANY($1::bytea[]) ORDER BY key FOR UPDATE)
     UPDATE login_throttle t SET failures = greatest(t.failures - 1, 0) FROM held WHERE t.key = held.key`,
    [keys],
  );
};
