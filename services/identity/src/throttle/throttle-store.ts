import { statement, type WriteTx } from '@sallyport/storage';

/** A key attempts are counted by, and how many failures it may have. */
export interface LimitedKey {
  readonly key: Buffer;
  readonly limit: number;
}

/** How many attempts a key has had, this one among them, and when it starts afresh. */
export interface Counted {
  readonly failures: number;
  readonly windowEndsAt: Date;
}

// A crash of the server may forget the last fractions of a second of counting: nobody's attempt waits for the disk.
const COUNT = statement(
  `WITH asked AS (SELECT DISTINCT key, max_failures FROM unnest($1::bytea[], $4::int[]) AS k (key, max_failures)),
     spent AS (
       SELECT t.key, t.failures, t.window_ends_at
         FROM asked a CROSS JOIN LATERAL (SELECT * FROM login_throttle o WHERE o.key = a.key LIMIT 1) t
        WHERE t.window_ends_at > $2 AND t.failures >= a.max_failures),
     counted AS (
       INSERT INTO login_throttle AS t (key, failures, window_ends_at)
         SELECT key, 1, $3::timestamptz FROM asked WHERE NOT EXISTS (SELECT FROM spent) ORDER BY key
       ON CONFLICT (key) DO UPDATE SET
         failures = CASE WHEN t.window_ends_at <= $2 THEN 1 ELSE t.failures + 1 END,
         window_ends_at = CASE WHEN t.window_ends_at <= $2 THEN $3 ELSE t.window_ends_at END
       RETURNING t.key, t.failures, t.window_ends_at)
   SELECT r.*, set_config('synchronous_commit', 'off', true)
     FROM (SELECT key, failures, window_ends_at, true AS is_counted FROM counted
           UNION ALL
           SELECT key, failures + 1, window_ends_at, false FROM spent) r`,
);

/**
 * Counts one more attempt under each key, unless one of them has had all it may have: then nothing is written, and what
 * the spent ones would have come to is told. Answers the counts in the order of the keys. Rows are taken in byte order
 * here and below: logins of one address at the same time wait for each other and never in a circle.
 */
export const countAttempts = async (
  tx: WriteTx,
  limits: readonly LimitedKey[],
  window: { readonly now: Date; readonly endsAt: Date },
): Promise<{ readonly isCounted: boolean; readonly counts: readonly Counted[] }> => {
  const rows = await tx.query<{ key: Buffer; failures: number; window_ends_at: Date; is_counted: boolean }>(COUNT, [
    limits.map(({ key }) => key),
    window.now,
    window.endsAt,
    limits.map(({ limit }) => limit),
  ]);
  const counts = limits.map(({ key }) => {
    const row = rows.find((counted) => counted.key.equals(key));
    return { failures: row?.failures ?? 0, windowEndsAt: row?.window_ends_at ?? window.endsAt };
  });
  return { isCounted: rows.some(({ is_counted: isCounted }) => isCounted), counts };
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
