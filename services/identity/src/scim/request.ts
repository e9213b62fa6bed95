import { AppError } from '@sallyport/errors';
import type Koa from 'koa';

export const LIST_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:ListResponse';

/** `W/"3"` */
export const etagOf = (version: bigint | string): string => `W/"${String(version)}"`;

const tagsOf = (header: string): string[] => header.split(',').map((tag) => tag.trim());
// Weak comparison (RFC 9110 §8.8.3.2): directories drop or keep the W/ as they like.
const opaque = (tag: string): string => tag.replace(/^W\//, '');

const matchesEtag = (header: string, etag: string): boolean =>
  tagsOf(header).some((tag) => tag === '*' || opaque(tag) === opaque(etag));

/** Whether the client has what this ETag names already: it is answered 304 (RFC 7644 §3.14, RFC 9110 §13.1.2). */
export const isUnchanged = (ctx: Koa.Context, etag: string): boolean => {
  const header = ctx.get('if-none-match');
  return header !== '' && matchesEtag(header, etag);
};

// What comes after the dot tells what hangs on the resource and is changed elsewhere: the groups of a user.
const ownPart = (header: string): string =>
  tagsOf(header)
    .map((tag) => tag.replace(/\.[^".]*"$/, '"'))
    .join(',');

/**
 * Only what the client would overwrite counts: somebody else's change of the groups of a user is none of it.
 *
 * @throws PRECONDITION_FAILED when `If-Match` is given and names another version (RFC 7644 §3.14)
 */
export const requireVersion = (ifMatch: string, version: bigint): void => {
  if (ifMatch !== '' && !matchesEtag(ownPart(ifMatch), etagOf(version)))
    throw new AppError('PRECONDITION_FAILED', 'The resource has changed since it was read.');
};

const JSON_TYPE = 'application/json';
const SCIM_TYPE = 'application/scim+json';

/**
 * The content type of an answer: plain JSON for a client that asks for that and not for SCIM's own, else SCIM's. A
 * client that asks for neither gets SCIM's too (RFC 9110 §12.5.1 allows it; RFC 7644 §3.1).
 */
export const contentTypeOf = (ctx: Koa.Context): Readonly<Record<string, string>> => {
  const accept = ctx.get('accept').toLowerCase();
  const types = accept.split(',').map((range) => range.split(';', 1)[0]?.trim());
  const isPlain = types.includes(JSON_TYPE) && !types.includes(SCIM_TYPE);
  return { 'content-type': `${isPlain ? JSON_TYPE : SCIM_TYPE}; charset=utf-8` };
};
