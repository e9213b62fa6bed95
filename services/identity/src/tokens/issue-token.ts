import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { newId, newSecret, secretHash } from '@sallyport/storage';

import { assertOwnedBy, lockOwnerForIssue } from '../accounts/index.ts';
import { lockAccountForIssue } from '../sessions/index.ts';
import { countTokens, insertToken, type ApiToken } from './store.ts';

/** What every API token begins with, so that secret scanners recognise one. */
export const TOKEN_PREFIX = 'sp_pat_';
const DAY_MS = 24 * 60 * 60 * 1000;
/** The longest life of a token. */
export const MAX_LIFETIME_MS = 366 * DAY_MS;
const MAX_TOKENS_PER_ACCOUNT = 100;

/** What to issue, and to whom. */
export interface TokenRequest {
  readonly accountId: string;
  /** Whoever asks: the owner, or the custodian of a service account. */
  readonly createdBy: string;
  /** The people behind them. */
  readonly people: readonly string[];
  readonly name: string;
  /** Permissions the token is limited to; empty: whatever the owner may do. */
  readonly scopes: readonly string[];
  readonly expiresAt: Date;
  readonly now: Date;
}

/** A new token; the secret is shown this once. */
export interface IssuedToken {
  readonly secret: string;
  readonly token: Omit<ApiToken, 'lastUsedAt' | 'revokedAt'>;
}

/**
 * Issues an API token in the account's current epoch. Locks the account against the door.
 * @throws INVALID_VALUE for an expiry in the past or too far away; CONFLICT when the account is not active or holds too many
 */
export const issueToken = async (tx: AuditedTx, request: TokenRequest): Promise<IssuedToken> => {
  const { expiresAt, now } = request;
  if (expiresAt <= now || expiresAt.getTime() > now.getTime() + MAX_LIFETIME_MS) {
    throw new AppError('INVALID_VALUE', 'A token expires in the future, within 366 days.', {
      fields: [{ pointer: '/expiresAt', code: 'range' }],
    });
  }
  const ownerId = await lockOwnerForIssue(tx, tx.orgId, request.accountId);
  const account = await lockAccountForIssue(tx, tx.orgId, request.accountId);
  if (account === null || account.status !== 'active') throw new AppError('CONFLICT', 'The account is not active.');
  await assertOwnedBy(tx, { orgId: tx.orgId, id: account.id }, ownerId);
  if ((await countTokens(tx, tx.orgId, account.id)) >= MAX_TOKENS_PER_ACCOUNT) {
    throw new AppError('CONFLICT', `An account holds at most ${MAX_TOKENS_PER_ACCOUNT} tokens.`);
  }
  const sponsorIds = ownerId === null ? [] : [...new Set([ownerId, ...request.people])];
  const secret = newSecret(TOKEN_PREFIX);
  const token = {
    orgId: tx.orgId,
    id: newId(),
    accountId: account.id,
    epochAtIssue: account.epoch,
    name: request.name,
    scopes: request.scopes,
    createdAt: now,
    expiresAt,
  };
  await insertToken(tx, { ...token, sponsorIds, tokenHash: secretHash(secret), createdBy: request.createdBy });
  tx.record({
    action: 'api-token.created',
    target: { type: 'api_token', id: token.id },
    after: {
      accountId: account.id,
      name: token.name,
      scopes: token.scopes,
      epoch: account.epoch,
      expiresAt: expiresAt.toISOString(),
    },
  });
  return { secret, token };
};
