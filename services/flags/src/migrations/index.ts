import { auditAppendMigration, auditAppendTogetherMigration, auditMigrations } from '@sallyport/audit';
import type { Migration } from '@sallyport/storage';

import { createProjects } from './0002-create-projects.ts';
import { createFlags } from './0003-create-flags.ts';
import { createChangeRequests } from './0004-create-change-requests.ts';
import { createApplyFunction } from './0005-create-apply-function.ts';
import { createEnvironmentKeys } from './0006-create-environment-keys.ts';
import { bindEpochs } from './0007-bind-epochs.ts';
import { letPeopleApprove } from './0008-let-people-approve.ts';
import { recordSponsors } from './0009-record-sponsors.ts';

/** Every migration of the schema `flags`, in order. Never edit a landed one: add the next. */
export const migrations: readonly Migration[] = [
  ...auditMigrations('flags'),
  createProjects,
  createFlags,
  createChangeRequests,
  createApplyFunction,
  createEnvironmentKeys,
  bindEpochs,
  letPeopleApprove,
  recordSponsors,
  auditAppendMigration('flags', 30),
  auditAppendTogetherMigration('flags', 31),
];
