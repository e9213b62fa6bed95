import { AppError } from '@sallyport/errors';
import { z } from 'zod';

import { parseJson } from './json.ts';

const MAX_CURSOR_CHARS = 1024;

/** An opaque position in a list: base64url of JSON. Not a secret and not signed; it is validated when it comes back. */
export const encodeCursor = (position: unknown): string => Buffer.from(JSON.stringify(position)).toString('base64url');

/**
 * Reads a cursor back through the schema of the list that wrote it.
 *
 * @throws INVALID_CURSOR for anything the schema does not accept
 */
export const decodeCursor = <S extends z.ZodType>(schema: S, cursor: string): z.output<S> => {
  const parsed = schema.safeParse(parseCursor(cursor));
  if (!parsed.success) throw new AppError('INVALID_CURSOR', 'The cursor was not issued by this list.');
  return parsed.data;
};

const parseCursor = (cursor: string): unknown => {
  try {
    if (cursor.length > MAX_CURSOR_CHARS || !/^[A-Za-z0-9_-]+$/.test(cursor)) return undefined;
    return parseJson(Buffer.from(cursor, 'base64url').toString('utf8'), { refusePollutingKeys: true });
  } catch {
    return undefined;
  }
};

const MAX_PAGE_ITEMS = 200;
const DEFAULT_PAGE_ITEMS = 50;

/** The query of every list: `?limit=50&cursor=…`; extend it with the filters of the list. */
export const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(MAX_PAGE_ITEMS).default(DEFAULT_PAGE_ITEMS),
  cursor: z.string().max(MAX_CURSOR_CHARS).optional(),
});

/** The body of every list: the items, and where to go on (null at the end). */
export const listOf = <S extends z.ZodType>(item: S) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });
