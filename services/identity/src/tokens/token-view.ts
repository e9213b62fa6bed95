import { z } from 'zod';

import type { ApiToken } from './store.ts';

const MAX_SCOPES = 64;

/** A token in answers: everything but its secret. */
export const tokenSchema = z.object({
  id: z.uuid(),
  name: z.string(),
  scopes: z.array(z.string()),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  lastUsedAt: z.iso.datetime().nullable(),
});

/** What a new token is made from. */
export const newTokenSchema = z.object({
  name: z.string().trim().min(1).max(100),
  /** Permissions of the catalogue; empty = whatever the owner may do. */
  scopes: z
    .array(z.string().regex(/^[a-z-]+:[a-z-]+$/))
    .max(MAX_SCOPES)
    .default([]),
  expiresAt: z.iso.datetime(),
});

/** Position in a list of tokens. */
export const cursorSchema = z.object({ after: z.uuid() });

/** The answer form of a token. */
export const renderToken = (
  token: Omit<ApiToken, 'lastUsedAt' | 'revokedAt'> & { readonly lastUsedAt?: Date | null },
) => ({
  id: token.id,
  name: token.name,
  scopes: [...token.scopes],
  createdAt: token.createdAt.toISOString(),
  expiresAt: token.expiresAt.toISOString(),
  lastUsedAt: token.lastUsedAt?.toISOString() ?? null,
});
