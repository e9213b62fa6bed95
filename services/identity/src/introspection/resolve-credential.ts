import type { Principal } from '@sallyport/http';
import type { Clock, Database } from '@sallyport/storage';

import { resolveAccessToken } from '../provider/index.ts';
import { findSettings, principalOf, resolveSession, stepUpDueOfToken, type InactiveReason } from '../sessions/index.ts';
import { isApiToken, resolveToken } from '../tokens/index.ts';

/** What a request showed: the value of the session cookie, or a bearer token. */
export type ShownCredential =
  | { readonly $case: 'session'; readonly value: string }
  | { readonly $case: 'bearer'; readonly value: string };

interface Dependencies {
  readonly db: Database;
  readonly clock: Clock;
}

export type ResolvedCredential =
  | { readonly active: true; readonly principal: Principal & { readonly clientId?: string } }
  | { readonly active: false; readonly reason: InactiveReason };

/**
 * Who is behind a credential, read from the primary at this moment, with account status and epoch joined. Nothing is
 * kept between calls.
 */
export const resolveCredential = async (
  dependencies: Dependencies,
  shown: ShownCredential,
): Promise<ResolvedCredential> => {
  if (shown.$case === 'session') {
    const resolved = await resolveSession(dependencies, shown.value);
    return resolved.active
      ? { active: true, principal: principalOf(resolved.standing, dependencies.clock.now()) }
      : resolved;
  }
  const resolved = await resolveBearer(dependencies, shown.value);
  return resolved.active ? { active: true, principal: await withStepUp(dependencies, resolved.principal) } : resolved;
};

const resolveBearer = async (dependencies: Dependencies, token: string): Promise<ResolvedCredential> => {
  if (isApiToken(token)) return await resolveToken(dependencies, token);
  const principal = await resolveAccessToken(dependencies, token);
  return principal === null ? { active: false, reason: 'UNKNOWN' } : { active: true, principal };
};

/** Here, once for every class of token, so that none is forgotten: what a token cannot do where a sign-in is demanded. */
const withStepUp = async <P extends Principal>({ db }: Dependencies, principal: P): Promise<P> => {
  const settings = await db.read(principal.orgId, async (tx) => await findSettings(tx, principal.orgId));
  const due = settings === undefined ? [] : stepUpDueOfToken(settings.stepUp);
  return due.length === 0 ? principal : { ...principal, stepUpDue: due };
};
