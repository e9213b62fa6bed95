import { Batcher, isUniqueViolation } from '@sallyport/storage';

import { createNewcomers, provisionAccount, type Account } from '../../accounts/index.ts';
import type { IdentityContext } from '../../context.ts';
import type { ScimCaller } from '../caller.ts';
import { DIALECTS } from '../profiles/index.ts';
import { readResource } from '../protocol/resource.ts';
import { USER } from '../protocol/user-schema.ts';
import { noteChange, withoutDraft, type ExchangeChange } from '../traces/index.ts';
import { toContent, type KnownUser, type UserContent } from './user.ts';
import { verifyUser } from './write-user.ts';

/** Of one connection, as many as travel in one flight with their entries; two batches, so that one is always prepared. */
const MAX_TOGETHER = 16;
const MAX_RUNNING = 2;

/** One request to create a user. */
interface Creation {
  readonly caller: ScimCaller;
  readonly content: UserContent;
}

interface Made {
  readonly account: Account;
  readonly change: ExchangeChange;
}

const readContent = (caller: ScimCaller, body: unknown): UserContent =>
  toContent(readResource(USER, body, DIALECTS[caller.profile]).document);

const personOf = ({ externalId, userName, profile, active }: UserContent) => ({
  externalId,
  userName,
  profile,
  directoryActive: active ?? true,
});

const createAlone = async (service: IdentityContext, { caller, content }: Creation): Promise<Account> => {
  const { connectionId } = caller;
  const { value } = await service.audit.mutate(caller.audit, async (tx) => {
    const account = await provisionAccount(tx, service, { connectionId, ...personOf(content) });
    verifyUser(account, content);
    return account;
  });
  return value;
};

/** In one transaction; undefined for whoever is not simply new, and for all of them when somebody came in between. */
const createTogether = async (
  service: IdentityContext,
  creations: readonly [Creation, ...Creation[]],
): Promise<(Made | undefined)[]> => {
  const [{ caller: first }] = creations;
  const newcomers = creations.map(({ caller, content }) => ({ person: personOf(content), audit: caller.audit }));
  try {
    const { value: accounts, receipts } = await withoutDraft(
      async () =>
        await service.audit.mutate(first.audit, async (tx) => {
          const made = await createNewcomers(tx, service, first.connectionId, newcomers);
          for (const [place, account] of made.entries()) {
            const content = creations[place]?.content;
            if (account !== undefined && content !== undefined) verifyUser(account, content);
          }
          return made;
        }),
    );
    const indexes = receipts.values();
    return accounts.map((account) => {
      if (account === undefined) return undefined;
      const index = indexes.next().value?.index.toString() ?? '';
      return { account, change: { index, action: 'account.created', targetType: 'account', targetId: account.id } };
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    return creations.map(() => undefined);
  }
};

/**
 * POST /Users. Somebody who was removed from this directory comes back as the same user, with nothing of what they
 * held; everybody else who is here already is a 409, whether active or not.
 *
 * @throws ALREADY_EXISTS, INVALID_SYNTAX, INVALID_VALUE, CONNECTION_DISABLED
 * @see RFC 7644 §3.3
 */
export const createUser = async (service: IdentityContext, caller: ScimCaller, body: unknown): Promise<Account> =>
  await createAlone(service, { caller, content: readContent(caller, body) });

/** {@link createUser} for requests that come side by side: those of one connection share transactions. */
export const userCreator = (service: IdentityContext) => {
  const batches = new Batcher<Creation, Made | undefined>({
    maxSize: MAX_TOGETHER,
    maxRunning: MAX_RUNNING,
    run: (creations) => createTogether(service, creations),
  });
  return async (caller: ScimCaller, body: unknown): Promise<KnownUser> => {
    const creation = { caller, content: readContent(caller, body) };
    const made = await batches.add(`${caller.orgId} ${caller.connectionId}`, creation);
    if (made === undefined) return await createAlone(service, creation);
    noteChange(made.change);
    return { ...made.account, memberships: [] };
  };
};
