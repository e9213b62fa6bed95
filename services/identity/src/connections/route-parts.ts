import { AppError } from '@sallyport/errors';
import type { RequestContext } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import type { Authorized } from './change-connection.ts';
import type { Connection } from './connection.ts';
import { findConnection } from './store.ts';

/** What the routes of a connection and of what belongs to it share. */
export const BASE = '/api/identity/v1/connections';
export const CONNECTION = `${BASE}/:connectionId`;

export const params = z.object({ connectionId: z.uuid() });
export const nameSchema = z.string().trim().min(1).max(100);

const MAX_EXPIRY_DAYS = 730;
/** Every secret expires. */
export const expirySchema = z.number().int().min(1).max(MAX_EXPIRY_DAYS).default(365);

export const authorized = (context: RequestContext): Authorized => ({
  audit: context.auditContext(),
  decision: context.decision,
});

/** @throws NOT_FOUND */
export const getConnection = async ({ db }: IdentityContext, orgId: string, id: string): Promise<Connection> => {
  const connection = await db.read(orgId, (tx) => findConnection(tx, orgId, id));
  if (connection === undefined) throw new AppError('NOT_FOUND', 'There is no such connection.');
  return connection;
};
