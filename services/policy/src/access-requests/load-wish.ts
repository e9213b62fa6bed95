import { AppError } from '@sallyport/errors';
import type { ReadTx } from '@sallyport/storage';

import type { GrantInput } from '../grants/index.ts';
import { involvedIn, toGrantInput } from './access-request.ts';
import { findRequest } from './store.ts';

/** What an access request asks for, for who proposes to approve it. @throws NOT_FOUND unless it is unanswered */
export const loadWish = async (
  tx: ReadTx,
  orgId: string,
  requestId: string,
): Promise<{ readonly input: GrantInput; readonly hash: string; readonly involved: readonly string[] }> => {
  const request = await findRequest(tx, orgId, requestId);
  if (request?.state !== 'pending') throw new AppError('NOT_FOUND', 'There is no such access request.');
  return { input: toGrantInput(request), hash: request.hash, involved: involvedIn(request) };
};
