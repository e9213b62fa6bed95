import { auditMigrations } from '@sallyport/audit';
import type { Migration } from '@sallyport/storage';

import { createDirectory } from './0001-create-directory.ts';
import { createSubjectLog } from './0002-create-subject-log.ts';

/** Every migration of this service, oldest first. 0001-0009: directory and log; 0010 onward: sign-in and the provider. */
export const migrations: readonly Migration[] = [...auditMigrations('identity'), createDirectory, createSubjectLog];
