import { AppError } from '@sallyport/errors';
import { newId, newSecret, secretHash } from '@sallyport/storage';

import type { IdentityContext } from '../context.ts';
import type { Authorized } from './change-connection.ts';
import { MAX_LIVE_SCIM_TOKENS, SCIM_TOKEN_PREFIX, type ScimToken } from './connection.ts';
import { countLiveScimTokens, insertScimToken, revokeScimToken } from './scim-token-store.ts';
import { lockConnection } from './store.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;
const SHOWN_PREFIX_LENGTH = SCIM_TOKEN_PREFIX.length + 4;

export interface IssuedScimToken {
  readonly token: ScimToken;
  /** Shown this once; only its hash is kept. */
  readonly secret: string;
}

/**
 * Issues a token for the directory of a connection.
 *
 * @throws NOT_FOUND; CONFLICT when the connection has no SCIM facet or two live tokens already
 */
export const issueScimToken = async (
  { audit, clock }: IdentityContext,
  who: Authorized,
  input: { readonly connectionId: string; readonly name: string; readonly expiresInDays: number },
): Promise<IssuedScimToken> => {
  const { orgId, actor } = who.audit;
  const { connectionId, name } = input;
  const secret = newSecret(SCIM_TOKEN_PREFIX);
  const { value: token } = await audit.mutate(who.audit, async (tx) => {
    if (who.decision !== null) tx.fence(who.decision);
    const connection = await lockConnection(tx, orgId, connectionId);
    if (connection === undefined) throw new AppError('NOT_FOUND', 'There is no such connection.');
    if (connection.scim === null)
      throw new AppError('CONFLICT', 'The connection has no directory: switch SCIM on first.');
    const at = clock.now();
    if ((await countLiveScimTokens(tx, { orgId, connectionId, at })) >= MAX_LIVE_SCIM_TOKENS)
      throw new AppError('CONFLICT', 'A connection has at most two live tokens: revoke one first.');
    const issued = await insertScimToken(tx, {
      orgId,
      id: newId(),
      connectionId,
      name,
      prefix: secret.slice(0, SHOWN_PREFIX_LENGTH),
      tokenHash: secretHash(secret),
      createdBy: actor.id,
      at,
      expiresAt: new Date(at.getTime() + input.expiresInDays * DAY_MS),
    });
    tx.record({
      action: 'scim-token.created',
      target: { type: 'scim_token', id: issued.id },
      after: { connectionId, name, prefix: issued.prefix, expiresAt: issued.expiresAt.toISOString() },
    });
    return issued;
  });
  return { token, secret };
};

/**
 * Revokes a token; the next request with it is refused.
 *
 * @throws NOT_FOUND when there is none that is live
 */
export const revokeToken = async (
  { audit, clock }: IdentityContext,
  who: Authorized,
  key: { readonly connectionId: string; readonly tokenId: string },
): Promise<void> => {
  const { orgId } = who.audit;
  await audit.mutate(who.audit, async (tx) => {
    if (who.decision !== null) tx.fence(who.decision);
    const token = await revokeScimToken(tx, { orgId, ...key, at: clock.now() });
    if (token === undefined) throw new AppError('NOT_FOUND', 'There is no such token.');
    tx.record({
      action: 'scim-token.revoked',
      target: { type: 'scim_token', id: token.id },
      before: { connectionId: token.connectionId, name: token.name, prefix: token.prefix, revoked: false },
      after: { revoked: true },
    });
  });
};
