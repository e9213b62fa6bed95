import { randomBytes } from 'node:crypto';

import {
  auditAppendMigration,
  auditAppendTogetherMigration,
  auditMigrations,
  createAuditLog,
  type AuditLog,
} from '@sallyport/audit';
import { openKeyring } from '@sallyport/keyring';
import { systemClock, type Migration } from '@sallyport/storage';
import { openSample, type Sample } from '@sallyport/storage/testing';

/** The audit log of a service `sample`, every step of it, on a database of its own. */
export const openAuditSample = async (
  more: readonly Migration[] = [],
): Promise<{ readonly sample: Sample; readonly audit: AuditLog }> => {
  const sample = await openSample([
    ...auditMigrations('sample'),
    ...more,
    auditAppendMigration('sample', 3),
    auditAppendTogetherMigration('sample', 4),
  ]);
  const keyring = openKeyring({ masterKey: randomBytes(32) });
  const options = { db: sample.db, keyring, clock: systemClock, deployment: 'test', service: 'sample' };
  return { sample, audit: createAuditLog(options) };
};
