import { GUARDED, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../../context.ts';
import { requireStillAdmitted } from '../caller.ts';
import { renderScimError } from '../errors.ts';
import type { Document, JsonValue } from '../protocol/json.ts';
import type { Guard } from '../resource-routes.ts';
import { readBulkRequest, type BulkOperation } from './bulk-request.ts';
import { MAX_BULK_BYTES } from './limits.ts';
import { bulkLocation } from './perform.ts';
import { runBulk, type BulkOutcome } from './run-bulk.ts';

export const BULK_RESPONSE_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:BulkResponse';

const PATH = '/scim/v2/Bulk';

/** Where the resource is: always known but after a POST that failed (RFC 7644 §3.7). */
const locationOf = (origin: string, outcome: BulkOutcome): string | undefined => {
  if (outcome.kind === 'done') return bulkLocation(origin, { ...outcome.call, id: outcome.performed.id });
  const { call } = outcome;
  return call === undefined || call.id === '' ? undefined : bulkLocation(origin, call);
};

const renderOperation = (
  { method, bulkId }: BulkOperation,
  outcome: BulkOutcome,
  { origin, requestId }: { readonly origin: string; readonly requestId: string },
): Document => {
  const location = locationOf(origin, outcome);
  const about = {
    method,
    ...(bulkId === undefined ? {} : { bulkId }),
    ...(location === undefined ? {} : { location }),
  };
  if (outcome.kind === 'done') {
    const { status, version } = outcome.performed;
    return { ...about, ...(version === undefined ? {} : { version }), status: String(status) };
  }
  const { error } = outcome;
  const status = error.kind.http;
  const rendering = { requestId, surface: 'scim', method, path: PATH, status, opaque: status >= 500 } as const;
  return { ...about, status: String(status), response: renderScimError(error, rendering).body as JsonValue };
};

/** `/scim/v2/Bulk` */
export const bulkRoutes = (service: IdentityContext, guard: Guard): Route[] => [
  route({
    method: 'POST',
    path: PATH,
    permission: GUARDED,
    guard,
    surface: 'scim',
    summary: 'Carries out up to 100 operations on users and groups, each as if it had come alone.',
    body: z.unknown(),
    bodyLimitBytes: MAX_BULK_BYTES,
    responses: { 200: z.record(z.string(), z.unknown()) },
    handler: async ({ body, guarded: caller, context, ctx }) => {
      const request = readBulkRequest(body);
      // The request itself has been counted.
      service.limits.charge(caller, request.operations.length - 1);
      const stillAdmitted = async (): Promise<void> => {
        await requireStillAdmitted(service, ctx, context);
      };
      const outcomes = await runBulk({ service, caller, context, stillAdmitted }, request);
      const view = { origin: service.config.publicOrigin, requestId: context.requestId };
      const results = request.operations.flatMap((operation, index) => {
        const outcome = outcomes.get(index);
        return outcome === undefined ? [] : [renderOperation(operation, outcome, view)];
      });
      return { status: 200, body: { schemas: [BULK_RESPONSE_SCHEMA], Operations: results } };
    },
  }),
];
