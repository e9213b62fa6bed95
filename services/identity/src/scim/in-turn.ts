import type { Route, RouteResponse } from '@sallyport/http';

import type { IdentityContext } from '../context.ts';
import type { ScimCaller } from './caller.ts';
import { urgencyOf } from './limits/index.ts';
import { draftOf, withDraft, type ExchangeDraft } from './traces/index.ts';

const CREATED = 201;

const noteAnswer = (draft: ExchangeDraft, { status, body }: RouteResponse): void => {
  if (typeof body !== 'object' || body === null) return;
  const { id, Operations: operations } = body as { readonly id?: unknown; readonly Operations?: unknown };
  if (status === CREATED && typeof id === 'string') draft.resourceId = id;
  // A Bulk request is answered 200 whatever became of its operations.
  if (!Array.isArray(operations)) return;
  const counts = new Map<string, number>();
  for (const each of operations as readonly { readonly status?: unknown }[]) {
    const key = typeof each.status === 'string' ? each.status : 'none';
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  draft.detail = `Operations: ${[...counts].map(([key, count]) => `${String(count)} x ${key}`).join(', ')}`;
};

/**
 * A route of SCIM whose work is done when it is its organisation's turn, and whose exchange is kept. The turn begins
 * when the whole request has been read and ends with the answer: nobody holds a place by sending or reading slowly.
 */
export const inTurn =
  ({ limits }: IdentityContext) =>
  (route: Route): Route => ({
    ...route,
    responses: { ...route.responses, 429: null },
    handler: async (request) => {
      const draft = draftOf(request.ctx);
      // `/Me` also knows people, who are of an organisation too, and directories, which are nobody to it.
      const { orgId } = (request.guarded ?? draft.credential) as Pick<ScimCaller, 'orgId'>;
      draft.body = request.body;
      const { signal } = request.context;
      return await limits.gate.run({ orgId, urgency: urgencyOf(route.method), signal }, async () => {
        const response = await withDraft(draft, async () => await route.handler(request));
        noteAnswer(draft, response);
        return response;
      });
    },
  });
