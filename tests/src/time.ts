import { systemClock } from '@sallyport/storage';

const HOUR_MS = 60 * 60 * 1_000;

/** For tokens a test makes. */
export const inAnHour = (): Date => new Date(systemClock.now().getTime() + HOUR_MS);

/** For tokens that make others, which do not outlive them. */
export const inTwoHours = (): Date => new Date(systemClock.now().getTime() + 2 * HOUR_MS);

/** ms on a clock that only moves forward. */
export const nowMs = (): number => systemClock.monotonicMs();

/** The leases every service is started with unless a test says otherwise. */
export const LEASE = { ttlMs: 1_000, renewalMs: 200 } as const;

/** W: how long after a commit a lease that knows nothing of it may live, by the server's clock. */
export const SERVER_WAIT_MS = LEASE.ttlMs * 1.05;
