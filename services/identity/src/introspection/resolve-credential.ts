import type { Principal } from '@sallyport/http';
import type { Clock, Database } from '@sallyport/storage';

import { resolveAccessToken } from '../provider/index.ts';
import { principalOf, resolveSession, type InactiveReason } from '../sessions/index.ts';
import { isApiToken, resolveToken } from '../tokens/index.ts';

/** What a request showed: the value of the session cookie, or a bearer token. */
export type ShownCredential =
  | { readonly $case: 'session'; readonly value: string }
  | { readonly $case: 'bearer'; readonly value: string };

export type ResolvedCredential =
  | { readonly active: true; readonly principal: Principal & { readonly clientId?: string } }
  | { readonly active: false; readonly reason: InactiveReason };

/**
 * Who is behind a credential, read from the primary at this moment, with account status and epoch joined. Nothing is
 * kept between calls.
 */
export const resolveCredential = async (
  dependencies: { readonly db: Database; readonly clock: Clock },
  shown: ShownCredential,
): Promise<ResolvedCredential> => {
  if (shown.$case === 'session') {
    const resolved = await resolveSession(dependencies, shown.value);
    return resolved.active ? { active: true, principal: principalOf(resolved.standing) } : resolved;
  }
  if (isApiToken(shown.value)) return await resolveToken(dependencies, shown.value);
  const principal = await resolveAccessToken(dependencies, shown.value);
  return principal === null ? { active: false, reason: 'UNKNOWN' } : { active: true, principal };
};
