import { AppError } from '@sallyport/errors';
import type { RequestContext } from '@sallyport/http';
import type { Clock } from '@sallyport/storage';
import type { Context } from 'koa';

import { verifyDecisionToken, type DecisionClient } from '../decision-tokens/index.ts';
import type { GrantKnowledge } from '../grants/index.ts';

const REQUEST_ID = 'x-request-id';
/** Asks for reasons without touching the body. */
const REASONS_HEADER = 'sallyport-reasons';

/** Who asks, and within which request. */
export interface Caller extends DecisionClient {
  readonly requestId: string;
}

/** The id is an arbitrary string and the same one goes back (§10.1.3), also where our own logs would not take it. */
const echoRequestId = (ctx: Context): void => {
  const given = ctx.req.headers[REQUEST_ID];
  if (typeof given === 'string' && given !== '') ctx.set(REQUEST_ID, given);
};

/** Who asks, before anything else is looked at. @throws UNAUTHENTICATED */
export const callerOf =
  ({ knowledge, clock }: { readonly knowledge: GrantKnowledge; readonly clock: Clock }) =>
  async (ctx: Context, { requestId }: RequestContext): Promise<Caller> => {
    echoRequestId(ctx);
    const client = verifyDecisionToken(knowledge, clock, ctx.req.headers.authorization);
    if (client === null) throw new AppError('UNAUTHENTICATED', 'A valid decision token is required.');
    // Names in the question are looked up in the index before it is asked.
    await knowledge.ensure(client.orgId);
    return { ...client, requestId };
  };

/** True when reasons are to be told: by `options.reasons` in the body or by header. */
export const wantsReasons = (
  body: { readonly options?: { readonly reasons?: boolean | undefined } | undefined },
  ctx: Context,
): boolean => body.options?.reasons === true || ctx.req.headers[REASONS_HEADER] === 'true';
