import type { Principal } from '@sallyport/http';
import type Koa from 'koa';

import type { IdentityContext } from '../context.ts';

/**
 * Who calls the HTTP API: the session cookie or a bearer token, through the same introspection the other services use.
 * Until a slice answers, nobody is authenticated.
 */
export const authenticate =
  (_context: IdentityContext) =>
  (_request: Koa.Context): Promise<Principal | null> =>
    Promise.resolve(null);
