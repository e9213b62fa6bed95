import { decodeCursor, encodeCursor } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { deviceOf } from './device.ts';
import type { Session } from './session.ts';
import { listOpenSessions } from './store.ts';

/** A session in answers. */
export const sessionSchema = z.object({
  id: z.uuid(),
  current: z.boolean(),
  method: z.enum(['saml', 'oidc', 'password', 'passkey']),
  connectionId: z.uuid().nullable(),
  ip: z.string().nullable(),
  userAgent: z.string().nullable(),
  /** For people: "Firefox on Linux". */
  device: z.string(),
  authenticatedAt: z.iso.datetime(),
  multiFactor: z.boolean(),
  createdAt: z.iso.datetime(),
  lastUsedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});

/** The answer form of a session; `current` is the caller's own. */
export const renderSession = (session: Session, current: string): z.input<typeof sessionSchema> => ({
  id: session.id,
  current: session.id === current,
  method: session.method,
  connectionId: session.connectionId,
  ip: session.ip,
  userAgent: session.userAgent,
  device: deviceOf(session.userAgent),
  authenticatedAt: session.authenticatedAt.toISOString(),
  multiFactor: session.multiFactor,
  createdAt: session.createdAt.toISOString(),
  lastUsedAt: session.lastUsedAt.toISOString(),
  expiresAt: session.expiresAt.toISOString(),
});

/** Position in a list of sessions. */
const cursorSchema = z.object({ before: z.uuid() });

/** One page of an account's open sessions, newest first. */
export const sessionPage = async (
  { db, clock }: Pick<IdentityContext, 'db' | 'clock'>,
  of: { readonly orgId: string; readonly accountId: string; readonly current: string },
  query: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<{ readonly items: z.input<typeof sessionSchema>[]; readonly nextCursor: string | null }> => {
  const before = query.cursor === undefined ? null : decodeCursor(cursorSchema, query.cursor).before;
  const { orgId, accountId, current } = of;
  const sessions = await db.read(orgId, async (tx) => {
    return await listOpenSessions(tx, { orgId, accountId, before, limit: query.limit + 1, now: clock.now() });
  });
  const page = sessions.slice(0, query.limit);
  const last = sessions.length > query.limit ? page.at(-1) : undefined;
  return {
    items: page.map((session) => renderSession(session, current)),
    nextCursor: last === undefined ? null : encodeCursor({ before: last.id }),
  };
};
