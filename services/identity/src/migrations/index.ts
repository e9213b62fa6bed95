import { auditMigrations } from '@sallyport/audit';
import type { Migration } from '@sallyport/storage';

import { createDirectory } from './0002-create-directory.ts';
import { createSubjectLog } from './0003-create-subject-log.ts';

/** Every migration of this service, oldest first. 1: audit; 2-9: directory and log; 10 onward: sign-in and provider. */
export const migrations: readonly Migration[] = [...auditMigrations('identity'), createDirectory, createSubjectLog];
