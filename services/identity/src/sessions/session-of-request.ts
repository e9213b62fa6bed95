import { credentialOf } from '@sallyport/decision-client';
import { isAppError } from '@sallyport/errors';
import type { Clock, Database } from '@sallyport/storage';
import type Koa from 'koa';

import { resolveSession } from './resolve-session.ts';
import type { SessionStanding } from './session.ts';

/** The live session of a browser, for pages that also serve those who are not signed in. Authorization is not looked at. */
export const sessionOfRequest = async (
  dependencies: { readonly db: Database; readonly clock: Clock },
  ctx: Pick<Koa.Context, 'req'>,
): Promise<SessionStanding | null> => {
  const token = cookieToken(ctx);
  if (token === null) return null;
  const resolved = await resolveSession(dependencies, token);
  return resolved.active ? resolved.standing : null;
};

const cookieToken = ({ req }: Pick<Koa.Context, 'req'>): string | null => {
  const { cookie } = req.headers;
  if (cookie === undefined) return null;
  try {
    return credentialOf({ headers: { cookie } })?.value ?? null;
  } catch (error) {
    if (isAppError(error)) return null; // Malformed or ambiguous: nobody, on a page that is for anybody.
    throw error;
  }
};
