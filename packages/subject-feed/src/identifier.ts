/** Longer than any id we make; what comes from elsewhere is bounded by it. */
export const MAX_ID_CHARS = 256;

/** What nearly every id is made of. */
const PLAIN = /^[\w.:-]+$/;

/** A non-empty text of at most 256 characters without control characters or lone surrogates. */
export const isIdentifier = (value: unknown): value is string =>
  typeof value === 'string' &&
  value.length > 0 &&
  value.length <= MAX_ID_CHARS &&
  (PLAIN.test(value) || (value.isWellFormed() && !/\p{Cc}/u.test(value)));
