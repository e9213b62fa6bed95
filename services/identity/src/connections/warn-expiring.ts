import { startRounds } from '@sallyport/service';

import type { IdentityContext } from '../context.ts';
import { WARN_BEFORE_MS } from './credential-warning.ts';
import { countExpiring, listUnwarned, markWarned, type ExpiringCredential } from './expiry-store.ts';

const HOUR_MS = 60 * 60 * 1_000;
const BATCH = 100;

/** Says it once: whoever sets the mark writes the entry, in the same transaction. */
const warn = async ({ audit, clock, logger }: IdentityContext, credential: ExpiringCredential): Promise<void> => {
  const { orgId, connectionId, kind, id, expiresAt } = credential;
  const actor = { type: 'system', id: 'identity' } as const;
  const { value: isFirst } = await audit.mutate({ orgId, actor, requestId: `expiry-${id}` }, async (tx) => {
    if (!(await markWarned(tx, credential, clock.now()))) {
      tx.unchanged();
      return false;
    }
    tx.record({
      action: kind === 'scim_token' ? 'scim-token.expiring' : 'scim-client-secret.expiring',
      target: { type: kind, id },
      after: { connectionId, expiresAt: expiresAt.toISOString() },
    });
    return true;
  });
  if (isFirst)
    logger.warn(
      { orgId, connectionId, credentialType: kind, credentialId: id, expiresAt: expiresAt.toISOString() },
      'a credential of a directory expires soon',
    );
};

/**
 * Warns of every credential of a directory that expires within 14 days: once in the audit log and once in the log; the
 * metric says how many there are. Safe to run anywhere at any time.
 */
export const warnExpiring = async (service: IdentityContext): Promise<void> => {
  const { db, clock, metrics } = service;
  const period = { now: clock.now(), until: new Date(clock.now().getTime() + WARN_BEFORE_MS) };
  for (;;) {
    const found = await db.readAcrossOrganizations('credentials that expire soon', (tx) =>
      listUnwarned(tx, period, BATCH),
    );
    for (const credential of found) await warn(service, credential);
    if (found.length < BATCH) break;
  }
  const expiring = await db.readAcrossOrganizations('credentials that expire soon', (tx) => countExpiring(tx, period));
  metrics
    .gauge({
      name: 'scim_credentials_expiring_count',
      help: 'Live credentials of directories that expire within 14 days, over all organisations.',
    })
    .set(expiring);
};

/** Warns now and every hour. Answers how to stop. */
export const startExpiryWarnings = (service: IdentityContext): (() => Promise<void>) =>
  startRounds({
    everyMs: HOUR_MS,
    atOnce: true,
    work: () => warnExpiring(service),
    onError: (error) => {
      service.logger.warn({ err: error }, 'expiring credentials could not be looked for');
    },
  });
