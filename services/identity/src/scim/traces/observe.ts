import type { RequestContext } from '@sallyport/http';
import { isId, newId, type Clock } from '@sallyport/storage';
import type Koa from 'koa';

import { ExchangeDraft } from './draft.ts';
import type { Exchange } from './exchange.ts';
import type { ExchangeLog } from './exchange-log.ts';
import { cleanText, maskText, redactBody, redactPath, redactQuery } from './redact.ts';

const CLIENT_CLOSED_REQUEST = 499;
const FIRST_ERROR = 400;
const MAX_ERROR_BYTES = 64 * 1024;
const MAX_RESOURCE_ID = 100;

const drafts = new WeakMap<object, ExchangeDraft>();

/** What SCIM said of an error, from the body that was sent: also of errors no handler of ours has seen. */
const errorOf = (status: number, body: unknown): { scimType: string | null; detail: string | null } => {
  const nothing = { scimType: null, detail: null };
  if (status < FIRST_ERROR || typeof body !== 'string' || body.length > MAX_ERROR_BYTES) return nothing;
  try {
    const { scimType, detail } = JSON.parse(body) as { readonly scimType?: unknown; readonly detail?: unknown };
    return {
      scimType: typeof scimType === 'string' ? scimType : null,
      detail: typeof detail === 'string' ? maskText(detail) : null,
    };
  } catch {
    return nothing;
  }
};

const resourceIdOf = (ctx: Koa.Context, draft: ExchangeDraft): string | null => {
  const { id } = (ctx['params'] ?? {}) as { readonly id?: string };
  if (id === undefined) return draft.resourceId;
  return isId(id) ? id : cleanText(maskText(id), MAX_RESOURCE_ID);
};

/**
 * Begins to watch a request; call it before its credential is looked at. When the answer is on its way (or will never
 * be), what is known goes to the log: requests without a known credential leave nothing.
 */
export const watchExchange = (
  ctx: Koa.Context,
  request: RequestContext,
  { exchanges, clock }: { readonly exchanges: ExchangeLog; readonly clock: Clock },
): ExchangeDraft => {
  const draft = new ExchangeDraft();
  drafts.set(ctx.req, draft);
  if (!exchanges.isEnabled) return draft;
  const [at, startedMs] = [clock.now(), clock.monotonicMs()];
  ctx.res.once('close', () => {
    const { credential } = draft;
    if (credential === undefined) return;
    const isCut = !ctx.res.writableFinished;
    const status = isCut && !ctx.res.headersSent ? CLIENT_CLOSED_REQUEST : ctx.res.statusCode;
    const error = errorOf(status, ctx.body);
    const exchange: Exchange = {
      orgId: credential.orgId,
      connectionId: credential.connectionId,
      id: newId(),
      at,
      requestId: request.requestId,
      method: ctx.method,
      path: redactPath(ctx.path),
      query: redactQuery(ctx.querystring),
      resourceId: resourceIdOf(ctx, draft),
      profile: draft.profile,
      credentialClass: credential.class,
      credentialId: credential.id,
      ip: request.ip,
      userAgent: request.userAgent === undefined ? null : cleanText(request.userAgent, 200),
      body: draft.body === undefined ? null : redactBody(draft.body, ctx.path),
      status,
      scimType: error.scimType,
      detail: error.detail ?? draft.detail,
      durationMs: clock.monotonicMs() - startedMs,
      changes: draft.changes,
    };
    draft.body = undefined;
    exchanges.add(exchange);
  });
  return draft;
};

/** The draft of a request that is being watched. */
export const draftOf = (ctx: Pick<Koa.Context, 'req'>): ExchangeDraft => drafts.get(ctx.req) ?? new ExchangeDraft();
