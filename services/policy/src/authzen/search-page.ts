/**
 * Pages of searches. A token says where to go on; it goes on with one question only: of the same organisation, decision
 * token, entities and page parameters, at the revision the first page was made from.
 *
 * @see OpenID AuthZEN Authorization API 1.0 §8.2
 */
import { AppError } from '@sallyport/errors';
import { decodeCursor, encodeCursor } from '@sallyport/http';
import type { Keyring } from '@sallyport/keyring';
import { constantTimeEqual } from '@sallyport/storage';
import { z } from 'zod';

import { MAX_PAGE, type ListPage, type Paging } from '../lists/index.ts';
import type { Caller } from './caller.ts';
import { canonical, properties } from './entities.ts';

const MAX_TOKEN_CHARS = 1_024;
const PURPOSE = 'authzen-page';

/** §8.2.1. What else there is in it is ignored: no capability of ours defines more. */
export const pageShape = z.looseObject({
  token: z.string().min(1).max(MAX_TOKEN_CHARS).optional(),
  limit: z.int().min(0).optional(),
  properties: properties.optional(),
});

/** §8.2.2 */
export const pageAnswerShape = z.object({ next_token: z.string(), count: z.number(), total: z.number() });

type PageRequest = z.output<typeof pageShape>;

/** One search, as the bytes by which it is recognised. */
export interface Search {
  readonly caller: Caller;
  /** Canonical: the order of members makes no difference. */
  readonly content: string;
  readonly page: PageRequest | undefined;
}

const tokenShape = z.strictObject({
  /** Cursor of the list, which pins its revision; empty: its beginning. */
  c: z.string().max(MAX_TOKEN_CHARS),
  /** `limit` and `properties` of the first request; null: none. */
  l: z.int().min(0).nullable(),
  p: z.string().nullable(),
  /** What binds it all. */
  m: z.string(),
});
type Token = z.output<typeof tokenShape>;

/** What a page is to be. */
export interface Asked {
  readonly limit: number | undefined;
  readonly cursor: string | undefined;
  /** Of the first request. */
  readonly parameters: Pick<Token, 'l' | 'p'>;
}

const macOf = (keyring: Keyring, { caller, content }: Search, { c, l, p }: Omit<Token, 'm'>): string => {
  const { orgId, tokenId } = caller;
  return keyring.mac(orgId, PURPOSE, Buffer.from(JSON.stringify([tokenId, content, c, l, p]))).toString('base64url');
};

const changed = (): AppError =>
  new AppError('INVALID_CURSOR', 'This token goes on with another search: everything but the token stays as it was.');

/** What the page properties of a request come to; null when there are none. */
const digestOf = (keyring: Keyring, { caller, page }: Search): string | null =>
  page?.properties === undefined
    ? null
    : keyring.mac(caller.orgId, PURPOSE, Buffer.from(canonical(page.properties))).toString('base64url');

const isLeftOutOr = <T>(now: T | null, first: T | null): boolean => now === null || now === first;

/**
 * Where to go on.
 *
 * @throws INVALID_CURSOR when anything but the token differs from the first request; a parameter left out later counts
 * as the same (the example of §8.2.3 does so)
 */
export const askedFor = (keyring: Keyring, search: Search): Asked => {
  const { page } = search;
  const own = { l: page?.limit ?? null, p: digestOf(keyring, search) };
  if (page?.token === undefined) return { limit: page?.limit, cursor: undefined, parameters: own };
  const { m, ...token } = decodeCursor(tokenShape, page.token);
  const isSame = isLeftOutOr(own.l, token.l) && isLeftOutOr(own.p, token.p);
  if (!isSame || !constantTimeEqual(m, macOf(keyring, search, token))) throw changed();
  return { limit: token.l ?? undefined, cursor: token.c === '' ? undefined : token.c, parameters: token };
};

export interface SearchAnswer<R> {
  readonly page?: z.input<typeof pageAnswerShape>;
  readonly context?: { readonly policy_revision: string };
  readonly results: readonly R[];
}

/**
 * The answer to a search: `page` first (§8.3), and there whenever pages were asked for or there are more than one.
 *
 * @param read gives a page of the list
 */
export const answerSearch = async <T, R>(
  keyring: Keyring,
  search: Search,
  read: (paging: Paging) => Promise<ListPage<T>>,
  { toResult, wantsReasons }: { readonly toResult: (item: T) => R; readonly wantsReasons: boolean },
): Promise<SearchAnswer<R>> => {
  const { limit, cursor, parameters } = askedFor(keyring, search);
  // Nothing at all may be asked for, too; the list knows no such page.
  const list = await read({ cursor, limit: limit === undefined ? undefined : Math.min(Math.max(limit, 1), MAX_PAGE) });
  const results = limit === 0 ? [] : list.items.map(toResult);
  const next = limit === 0 && list.total > 0 ? '' : list.nextCursor;
  const token = next === null ? null : { c: next, l: parameters.l, p: parameters.p };
  const next_token = token === null ? '' : encodeCursor({ ...token, m: macOf(keyring, search, token) });
  return {
    ...(search.page === undefined && next_token === ''
      ? {}
      : { page: { next_token, count: results.length, total: list.total } }),
    ...(wantsReasons ? { context: { policy_revision: list.revision } } : {}),
    results,
  };
};

/**
 * The answer when nothing could match: what is asked about is not there, or is of a kind we do not know.
 *
 * @throws INVALID_CURSOR for a token of another search
 */
export const nothingFound = (keyring: Keyring, search: Search): SearchAnswer<never> => {
  askedFor(keyring, search);
  return {
    ...(search.page === undefined ? {} : { page: { next_token: '', count: 0, total: 0 } }),
    results: [],
  };
};
