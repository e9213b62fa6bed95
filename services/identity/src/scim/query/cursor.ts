import { AppError } from '@sallyport/errors';
import { parseJson } from '@sallyport/http';
import type { Keyring } from '@sallyport/keyring';
import type { Clock } from '@sallyport/storage';
import { z } from 'zod';

import type { Position } from './search-store.ts';

const SECOND_MS = 1_000;
/** From one page to the next. */
export const CURSOR_LIFE_SECONDS = 600;
const MAX_CURSOR_LENGTH = 8 * 1024;
const PURPOSE = 'scim-cursor';

/** Where a page ends and which way to go on. */
export interface Cursor extends Position {
  readonly backward: boolean;
}

/** What a cursor belongs to: it opens nothing else. */
export interface CursorBinding {
  readonly orgId: string;
  readonly connectionId: string;
  /** Type of resource, filter and order, in their canonical spelling. */
  readonly query: string;
}

const content = z.strictObject({
  key: z.string().nullable(),
  id: z.uuid(),
  backward: z.boolean(),
  issuedAtMs: z.int(),
});

const invalid = (cause?: unknown): AppError =>
  new AppError('INVALID_CURSOR', 'The cursor was not issued for this query.', cause === undefined ? {} : { cause });

const contextOf = ({ connectionId, query }: CursorBinding): string => JSON.stringify([connectionId, query]);

interface Sealing {
  readonly keyring: Keyring;
  readonly clock: Pick<Clock, 'now'>;
}

/**
 * A cursor as a client sees it: sealed with a key of the organisation, so nobody can read a name in it or make one up.
 *
 * @see RFC 9865 §2
 */
export const sealCursor = ({ keyring, clock }: Sealing, binding: CursorBinding, cursor: Cursor): string => {
  const { key, id, backward } = cursor;
  const value = JSON.stringify({ key, id, backward, issuedAtMs: clock.now().getTime() });
  return keyring.seal(binding.orgId, PURPOSE, contextOf(binding), Buffer.from(value)).toString('base64url');
};

/**
 * Opens a cursor for the query it was issued for. It grants nothing: the query is authorised as every other one.
 *
 * @throws INVALID_CURSOR for one that was made up, or belongs to another connection, query or order; EXPIRED_CURSOR
 */
export const openCursor = ({ keyring, clock }: Sealing, binding: CursorBinding, text: string): Cursor => {
  if (text.length > MAX_CURSOR_LENGTH || !/^[\w-]+$/.test(text)) throw invalid();
  let opened: unknown;
  try {
    const value = keyring.open(binding.orgId, PURPOSE, contextOf(binding), Buffer.from(text, 'base64url'));
    opened = parseJson(value.toString('utf8'), { refusePollutingKeys: true });
  } catch (cause) {
    throw invalid(cause);
  }
  const { issuedAtMs, ...cursor } = content.parse(opened);
  if (clock.now().getTime() - issuedAtMs > CURSOR_LIFE_SECONDS * SECOND_MS)
    throw new AppError('EXPIRED_CURSOR', 'The cursor has expired; begin again at the first page.');
  return cursor;
};
