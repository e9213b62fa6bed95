import { provisionAccount, type Account } from '../../accounts/index.ts';
import type { IdentityContext } from '../../context.ts';
import type { ScimCaller } from '../caller.ts';
import { DIALECTS } from '../profiles/index.ts';
import { readResource } from '../protocol/resource.ts';
import { USER } from '../protocol/user-schema.ts';
import { toContent } from './user.ts';
import { verifyUser } from './write-user.ts';

/**
 * POST /Users. Somebody who was removed from this directory comes back as the same user, with nothing of what they
 * held; everybody else who is here already is a 409, whether active or not.
 *
 * @throws ALREADY_EXISTS, INVALID_SYNTAX, INVALID_VALUE, CONNECTION_DISABLED
 * @see RFC 7644 §3.3
 */
export const createUser = async (service: IdentityContext, caller: ScimCaller, body: unknown): Promise<Account> => {
  const content = toContent(readResource(USER, body, DIALECTS[caller.profile]).document);
  const { value } = await service.audit.mutate(caller.audit, async (tx) => {
    const account = await provisionAccount(tx, service, {
      connectionId: caller.connectionId,
      externalId: content.externalId,
      userName: content.userName,
      profile: content.profile,
      directoryActive: content.active ?? true,
    });
    verifyUser(account, content);
    return account;
  });
  return value;
};
