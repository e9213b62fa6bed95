import type { Route, RouteResponse } from '@sallyport/http';

import type { CurrentRevision } from '../decide/index.ts';

/** What a write answers beside its body: hand it over as `atLeastAsFresh`, and nothing is answered from before it. */
export const REVISION_HEADER = 'sallyport-revision';

/**
 * The same routes, whose writes say the revision they are part of. A write returns once this process decides by it, so
 * what is decided by then is at least that; where that could not be had (the lease is dropped) nothing is said.
 */
export const sayRevision = (routes: readonly Route[], currentRevision: CurrentRevision): Route[] =>
  routes.map((each) => {
    if (each.method === 'GET' || each.surface !== 'api') return each;
    return {
      ...each,
      handler: async (request): Promise<RouteResponse> => {
        const response = await each.handler(request);
        const orgId = request.context.principal?.orgId;
        const revision = orgId === undefined ? null : currentRevision(orgId);
        return revision === null
          ? response
          : { ...response, headers: { ...response.headers, [REVISION_HEADER]: revision } };
      },
    };
  });
