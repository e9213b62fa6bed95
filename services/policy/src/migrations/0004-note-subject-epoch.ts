import { sqlMigration } from '@sallyport/storage';

// The epoch somebody was in when a role was given to them: what was given up to their last removal is void, also when
// their directory brings them back. 0 for groups, and for what was given before it was noted.
export const noteSubjectEpoch = sqlMigration(4, 'note-subject-epoch', [
  'ALTER TABLE role_grant ADD COLUMN subject_epoch bigint NOT NULL DEFAULT 0;',
  'ALTER TABLE standing_subject ADD COLUMN removed_epoch bigint NOT NULL DEFAULT 0;',
]);
