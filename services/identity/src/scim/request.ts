import { AppError } from '@sallyport/errors';
import { z } from 'zod';

/** Query parameters of every read; unknown ones are ignored (sorting is not supported and not advertised). */
export const readQuery = z.object({
  attributes: z.string().max(4_096).optional(),
  excludedAttributes: z.string().max(4_096).optional(),
});

const integer = z.string().regex(/^-?\d{1,15}$/, 'a whole number');

export const searchQuery = readQuery.extend({
  filter: z.string().optional(),
  startIndex: integer.optional(),
  count: integer.optional(),
});

export const DEFAULT_COUNT = 100;
export const MAX_COUNT = 500;

export interface Page {
  /** As answered: from 1. */
  readonly startIndex: number;
  readonly offset: number;
  readonly limit: number;
}

/** Below 1 is 1, negative counts are 0, more than the maximum is the maximum (RFC 7644 §3.4.2.4). */
export const readPage = ({
  startIndex,
  count,
}: {
  startIndex?: string | undefined;
  count?: string | undefined;
}): Page => {
  const start = Math.max(1, Number(startIndex ?? 1));
  const limit = Math.min(MAX_COUNT, Math.max(0, Number(count ?? DEFAULT_COUNT)));
  return { startIndex: start, offset: start - 1, limit };
};

export const LIST_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:ListResponse';

/** The list answer: numbers are numbers, `Resources` is always there. */
export const listResponse = (page: Page, total: number, resources: readonly object[]): object => ({
  schemas: [LIST_SCHEMA],
  totalResults: total,
  startIndex: page.startIndex,
  itemsPerPage: resources.length,
  Resources: resources,
});

/** `W/"3"` */
export const etagOf = (version: bigint): string => `W/"${version.toString()}"`;

const tagsOf = (header: string): string[] => header.split(',').map((tag) => tag.trim());
// Weak comparison (RFC 9110 §8.8.3.2): directories drop or keep the W/ as they like.
const opaque = (tag: string): string => tag.replace(/^W\//, '');

export const matchesEtag = (header: string, version: bigint): boolean => {
  const current = opaque(etagOf(version));
  return tagsOf(header).some((tag) => tag === '*' || opaque(tag) === current);
};

/** @throws PRECONDITION_FAILED when `If-Match` is given and names another version (RFC 7644 §3.14) */
export const requireVersion = (ifMatch: string, version: bigint): void => {
  if (ifMatch !== '' && !matchesEtag(ifMatch, version))
    throw new AppError('PRECONDITION_FAILED', 'The resource has changed since it was read.');
};
