import { z } from 'zod';

import type { Session } from './session.ts';

/** A session in answers. */
export const sessionSchema = z.object({
  id: z.uuid(),
  current: z.boolean(),
  method: z.enum(['saml', 'oidc', 'password']),
  connectionId: z.uuid().nullable(),
  ip: z.string().nullable(),
  userAgent: z.string().nullable(),
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
  createdAt: session.createdAt.toISOString(),
  lastUsedAt: session.lastUsedAt.toISOString(),
  expiresAt: session.expiresAt.toISOString(),
});
