import type Koa from 'koa';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { sessionOfRequest } from '../sessions/index.ts';
import type { LoginPurpose, ReplacedSession } from './pending-store.ts';
import { safeReturnTo } from './return-to.ts';

/** What the address that starts a login at an identity provider may say, whatever the protocol. */
export const startQuery = z.object({ returnTo: z.string().optional(), stepUp: z.literal('1').optional() });

/** What a login that starts is for. */
export interface LoginStart {
  readonly purpose: LoginPurpose;
  /** Whose step-up or test it is; null for a login. */
  readonly startedBy: string | null;
  readonly replaces: ReplacedSession | null;
  readonly returnTo: string;
}

/**
 * What a browser that asks to sign in through a connection is to come back with: a session in place of the one it has,
 * or, with `stepUp`, a proof that the person of its session is there. Without a session of this connection a step-up is
 * an ordinary login: there is nobody yet whose presence could be proved.
 */
export const loginStartOf = async (
  context: IdentityContext,
  request: {
    readonly connectionId: string;
    readonly query: z.output<typeof startQuery>;
    readonly ctx: Pick<Koa.Context, 'req'>;
  },
): Promise<LoginStart> => {
  const { connectionId, query, ctx } = request;
  const returnTo = safeReturnTo(query.returnTo, context.config.publicOrigin);
  const session = (await sessionOfRequest(context, ctx))?.session ?? null;
  const replaces =
    session === null ? null : { orgId: session.orgId, accountId: session.accountId, sessionId: session.id };
  const isStepUp = query.stepUp !== undefined && session?.connectionId === connectionId;
  return isStepUp
    ? { purpose: 'step-up', startedBy: session.accountId, replaces, returnTo }
    : { purpose: 'login', startedBy: null, replaces, returnTo };
};
