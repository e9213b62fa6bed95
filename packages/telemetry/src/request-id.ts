import { randomUUID } from 'node:crypto';

const ACCEPTED = /^[\w.:-]{8,64}$/;

/** Taken over from a request where it is well-formed, sent with every answer and with every call of ours. */
export const REQUEST_ID_HEADER = 'x-request-id';

/** A new request id: random, for correlation only, never a key. */
export const newRequestId = (): string => randomUUID();

/**
 * The caller's request id when it has a harmless form (8 to 64 of `A-Za-z0-9_.:-`), else a new one. Callers choose
 * it, so it proves nothing and is never used to find anything.
 */
export const acceptRequestId = (offered: unknown): string =>
  typeof offered === 'string' && ACCEPTED.test(offered) ? offered : newRequestId();
