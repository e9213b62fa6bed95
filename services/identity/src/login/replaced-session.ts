import type { Clock, Database } from '@sallyport/storage';
import type Koa from 'koa';

import { sessionOfRequest } from '../sessions/index.ts';
import type { ReplacedSession } from './pending-store.ts';

/** The session a browser has and is about to replace by signing in anew; null when it has none. */
export const replacedSession = async (
  dependencies: { readonly db: Database; readonly clock: Clock },
  ctx: Pick<Koa.Context, 'req'>,
): Promise<ReplacedSession | null> => {
  const standing = await sessionOfRequest(dependencies, ctx);
  if (standing === null) return null;
  const { orgId, accountId, id } = standing.session;
  return { orgId, accountId, sessionId: id };
};
