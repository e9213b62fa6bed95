import { createHash } from 'node:crypto';

import { AppError } from '@sallyport/errors';
import canonicalize from 'canonicalize';

/** A JSON value, as it came through the parser of the HTTP package: no inherited names, well-formed text. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonObject = { readonly [key: string]: JsonValue };

/**
 * RFC 8785 (JCS): equal values have equal bytes, whatever the order of their properties.
 *
 * @throws INVALID_VALUE for what JSON cannot carry: NaN, infinities, lone surrogates, undefined
 */
export const canonicalJson = (value: JsonValue): string => {
  try {
    const text = canonicalize(value);
    if (text !== undefined) return text;
  } catch (cause) {
    throw new AppError('INVALID_VALUE', 'The value cannot be written as JSON.', { cause });
  }
  throw new AppError('INVALID_VALUE', 'The value cannot be written as JSON.');
};

/** Bytes the canonical form takes. */
export const canonicalSizeBytes = (value: JsonValue): number => Buffer.byteLength(canonicalJson(value), 'utf8');

/** Lower-case hexadecimal SHA-256 of text in UTF-8. */
export const sha256Hex = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex');
