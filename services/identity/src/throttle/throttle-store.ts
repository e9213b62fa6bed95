import { statement, type WriteTx } from '@sallyport/storage';

/** How many attempts a key has had, and when it starts afresh. */
export interface Counted {
  readonly failures: number;
  readonly windowEndsAt: Date;
}

// A crash of the server may forget the last fractions of a second of counting: nobody's attempt waits for the disk.
const COUNT = statement(
  `INSERT INTO login_throttle AS t (key, failures, window_ends_at)
     SELECT DISTINCT key, 1, $3::timestamptz FROM unnest($1::bytea[]) AS k (key) ORDER BY key
   ON CONFLICT (key) DO UPDATE SET
     failures = CASE WHEN t.window_ends_at <= $2 THEN 1 ELSE t.failures + 1 END,
     window_ends_at = CASE WHEN t.window_ends_at <= $2 THEN $3 ELSE t.window_ends_at END
   RETURNING key, failures, window_ends_at, set_config('synchronous_commit', 'off', true)`,
);

/**
 * Counts one more attempt under each key and answers the counts, in the order of the keys. Rows are taken in byte order
 * here and below: logins of one address at the same time wait for each other and never in a circle.
 */
export const countAttempts = async (
  tx: WriteTx,
  keys: readonly Buffer[],
  window: { readonly now: Date; readonly endsAt: Date },
): Promise<Counted[]> => {
  const rows = await tx.query<{ key: Buffer; failures: number; window_ends_at: Date }>(COUNT, [
    keys,
    window.now,
    window.endsAt,
  ]);
  return keys.map((key) => {
    const row = rows.find((counted) => counted.key.equals(key));
    return { failures: row?.failures ?? 0, windowEndsAt: row?.window_ends_at ?? window.endsAt };
  });
};

const UNCOUNT = statement(
  `WITH held AS (SELECT key FROM login_throttle WHERE key = ANY($1::bytea[]) ORDER BY key FOR UPDATE)
   UPDATE login_throttle t SET failures = greatest(t.failures - 1, 0) FROM held WHERE t.key = held.key
   RETURNING set_config('synchronous_commit', 'off', true)`,
);

/** Takes back one attempt under each key: it succeeded. */
export const uncountAttempts = async (tx: WriteTx, keys: readonly Buffer[]): Promise<void> => {
  await tx.query(UNCOUNT, [keys]);
};
