import { secretHash, type Clock, type Database } from '@sallyport/storage';
import { errors, type Configuration } from 'oidc-provider';

import { findGrantEpoch } from './artifact-store.ts';

/**
 * What a JWT access token says besides the standard claims: the epoch it was issued in (a resource server that follows
 * the subject log can refuse it at once) and the organisation. An opaque token says nothing.
 * @throws errors.InvalidGrant when the grant is not (any more) what it has to be: a JWT leaves no row to be read later
 */
export const jwtClaims =
  ({ db, clock }: { readonly db: Database; readonly clock: Clock }): NonNullable<Configuration['extraTokenClaims']> =>
  async (_ctx, token) => {
    if (token.kind !== 'AccessToken' || token.resourceServer?.accessTokenFormat !== 'jwt') return undefined;
    const { grantId } = token as { readonly grantId?: string };
    const standing = await db.readOneAcrossOrganizations('a grant names no organisation', async (tx) => {
      return await findGrantEpoch(tx, secretHash(grantId ?? ''), clock.now());
    });
    if (standing === null) throw new errors.InvalidGrant('the grant is gone');
    return { epoch: Number(standing.epoch), org_id: standing.orgId };
  };
