import { credentialOf } from '@sallyport/decision-client';
import type { Authenticate } from '@sallyport/http';

import type { IdentityContext } from '../context.ts';
import { resolveCredential } from '../introspection/index.ts';

/**
 * Who calls the HTTP API: the session cookie or a bearer token, through the same introspection the other services use.
 * @throws UNAUTHENTICATED for a malformed or ambiguous credential
 */
export const authenticate =
  (context: IdentityContext): Authenticate =>
  async (ctx) => {
    const credential = credentialOf(ctx.req);
    if (credential === null) return null;
    const resolved = await resolveCredential(context, credential);
    return resolved.active ? resolved.principal : null;
  };
