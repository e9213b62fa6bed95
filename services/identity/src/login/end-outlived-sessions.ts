import type { AuditContext } from '@sallyport/audit';

import { closeSession } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { listOutlivedSessions } from './outlived-store.ts';

const AT_ONCE = 100;

type Page = Parameters<typeof listOutlivedSessions>[1];
type Service = Pick<IdentityContext, 'audit' | 'clock' | 'credentialVoiders' | 'db'>;

/**
 * Ends the sessions that were opened on the word of the IdP a connection had before: whoever vouches for its people now
 * does not vouch for those. Can be cut short at any point and run again.
 */
export const endOutlivedSessions = async (service: Service, who: AuditContext, connectionId: string): Promise<void> => {
  let after: string | null = null;
  do {
    const which: Page = { connectionId, after, now: service.clock.now(), limit: AT_ONCE };
    const { value: sessions } = await service.audit.mutate(who, async (tx) => {
      const sessions = await listOutlivedSessions(tx, which);
      if (sessions.length === 0) tx.unchanged();
      for (const { accountId: subjectId, sessionId } of sessions)
        await closeSession(tx, service, { subjectId, sessionId, cause: 'connection.identity-provider-changed' });
      return sessions;
    });
    after = sessions.length < AT_ONCE ? null : (sessions.at(-1)?.sessionId ?? null);
  } while (after !== null);
};

/** The same for whatever a process that died left behind. */
export const sweepOutlivedSessions = async (service: Service): Promise<void> => {
  const which = { connectionId: null, after: null, now: service.clock.now(), limit: AT_ONCE };
  const left = await service.db.readAcrossOrganizations('sessions that outlived their identity provider', (tx) =>
    listOutlivedSessions(tx, which),
  );
  const connections = new Map(left.map(({ connectionId, orgId }) => [connectionId, orgId]));
  for (const [connectionId, orgId] of connections) {
    const actor = { type: 'system', id: 'identity' } as const;
    await endOutlivedSessions(service, { orgId, actor, requestId: `idp-changed-${connectionId}` }, connectionId);
  }
};
