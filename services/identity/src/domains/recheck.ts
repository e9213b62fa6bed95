import { isAppError } from '@sallyport/errors';
import { startRounds } from '@sallyport/service';

import type { IdentityContext } from '../context.ts';
import { checkDomain } from './check-domain.ts';
import { listDue, releaseDomains, type ClaimKey } from './store.ts';

const HOUR_MS = 60 * 60 * 1_000;
const DAY_MS = 24 * HOUR_MS;
const BATCH = 50;

type Service = Pick<IdentityContext, 'audit' | 'clock' | 'db' | 'challengeLookup' | 'logger'>;

const recheck = async (service: Service, key: ClaimKey): Promise<void> => {
  const { orgId, connectionId, domain } = key;
  const actor = { type: 'system', id: 'identity' } as const;
  const audit = { orgId, actor, requestId: `domain-check-${connectionId}` };
  const who = { audit, decide: () => Promise.resolve(null) };
  try {
    const { problem, failingSince, verifiedAt } = await checkDomain(service, key, who);
    if (problem === null) return;
    const found = { orgId, connectionId, domain, problem, failingSince };
    if (verifiedAt === null) service.logger.warn(found, 'a mail domain is no longer proven');
    else service.logger.warn(found, 'the DNS proof of a mail domain is missing');
  } catch (error) {
    // The connection or the domain has gone meanwhile.
    if (!isAppError(error) || (error.code !== 'NOT_FOUND' && error.code !== 'CONFLICT')) throw error;
  }
};

/** Looks at every proof by DNS that is a day old. Each is looked at once a day, by whichever replica comes first. */
export const recheckDomains = async (service: Service): Promise<void> => {
  await service.db.unauditedWrite('all-organizations', 'domains of connections that are gone are free', (tx) =>
    releaseDomains(tx, null),
  );
  const dueBefore = new Date(service.clock.now().getTime() - DAY_MS);
  for (;;) {
    const due = await service.db.readAcrossOrganizations('proofs of domains that are a day old', (tx) =>
      listDue(tx, dueBefore, BATCH),
    );
    for (const key of due) await recheck(service, key);
    if (due.length < BATCH) return;
  }
};

/** Looks now and every hour. Answers how to stop. */
export const startDomainChecks = (service: Service): (() => Promise<void>) =>
  startRounds({
    everyMs: HOUR_MS,
    atOnce: true,
    work: () => recheckDomains(service),
    onError: (error) => {
      service.logger.warn({ err: error }, 'the proofs of mail domains could not be looked at');
    },
  });
