import { AppError } from '@sallyport/errors';
import { decodeCursor, encodeCursor, listOf, listQuery, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import { findConnection } from '../../connections/index.ts';
import type { IdentityContext } from '../../context.ts';
import type { Exchange } from './exchange.ts';
import { listExchanges } from './exchange-store.ts';

const STATUS_CLASSES = ['2xx', '3xx', '4xx', '5xx'] as const;

const exchangeSchema = z.object({
  id: z.string(),
  at: z.string(),
  requestId: z.string(),
  method: z.string(),
  path: z.string(),
  query: z.string(),
  resourceId: z.string().nullable(),
  profile: z.string().nullable(),
  credential: z.object({ class: z.enum(['scim_token', 'scim_client']), id: z.string() }),
  ip: z.string(),
  userAgent: z.string().nullable(),
  body: z.unknown(),
  status: z.number().int(),
  scimType: z.string().nullable(),
  detail: z.string().nullable(),
  durationMs: z.number(),
  changes: z.array(z.object({ index: z.string(), action: z.string(), targetType: z.string(), targetId: z.string() })),
});

const render = ({ orgId: _org, connectionId: _connection, ...exchange }: Exchange): z.output<typeof exchangeSchema> => {
  const { credentialClass, credentialId, at, changes, ...rest } = exchange;
  const credential = { class: credentialClass, id: credentialId };
  return { ...rest, credential, at: at.toISOString(), changes: [...changes] };
};

/** `/api/identity/v1/connections/:connectionId/scim-exchanges` */
export const exchangeRoutes = (service: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: '/api/identity/v1/connections/:connectionId/scim-exchanges',
    permission: 'connection:read',
    surface: 'api',
    summary: 'Lists the last requests of the directory, newest first: redacted, with the answer and what they changed.',
    params: z.object({ connectionId: z.uuid() }),
    query: listQuery.extend({
      status: z.enum(STATUS_CLASSES).optional(),
      method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).optional(),
      resourceId: z.string().max(100).optional(),
    }),
    responses: { 200: listOf(exchangeSchema) },
    handler: async ({ params: { connectionId }, query: { limit, cursor, status, method, resourceId }, context }) => {
      const { orgId } = context.auditContext();
      // What this process has seen is there when somebody looks; of another one, a quarter of a second later.
      await service.exchanges.flush();
      const found = await service.db.read(orgId, async (tx) => {
        const connection = await findConnection(tx, orgId, connectionId);
        if (connection === undefined) throw new AppError('NOT_FOUND', 'There is no such connection.');
        return await listExchanges(
          tx,
          { orgId, connectionId },
          {
            limit: limit + 1,
            ...(cursor === undefined ? {} : { before: decodeCursor(z.uuid(), cursor) }),
            ...(status === undefined ? {} : { statusClass: Number(status[0]) }),
            ...(method === undefined ? {} : { method }),
            ...(resourceId === undefined ? {} : { resourceId }),
          },
        );
      });
      const items = found.slice(0, limit);
      const last = found.length > limit ? items.at(-1) : undefined;
      const nextCursor = last === undefined ? null : encodeCursor(last.id);
      return { status: 200, body: { items: items.map(render), nextCursor } };
    },
  }),
];
