import { orgTable, sqlMigration } from '@sallyport/storage';

// A written-down copy of what was applied from identity's subject log, so that a restart resumes where it was. The
// truth is the log; text ids because they are taken as they come.
const tables = `
  CREATE TABLE standing_log (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    log_id text NOT NULL
  );
  GRANT SELECT, INSERT, UPDATE, DELETE ON standing_log TO sallyport_policy;

  CREATE TABLE standing_cursor (
    org_id uuid PRIMARY KEY,
    position bigint NOT NULL
  ) WITH (fillfactor = 10);

  CREATE TABLE standing_subject (
    org_id uuid NOT NULL,
    subject_id text NOT NULL,
    subject_type text NOT NULL CHECK (subject_type IN ('user', 'service_account')),
    active boolean NOT NULL,
    epoch bigint NOT NULL,
    group_ids text[] NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (org_id, subject_id)
  );

  CREATE TABLE standing_group (
    org_id uuid NOT NULL,
    group_id text NOT NULL,
    display_name text NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (org_id, group_id)
  );
`;

export const createStanding = sqlMigration(3, 'create-standing', [
  tables,
  orgTable('policy', 'standing_cursor'),
  orgTable('policy', 'standing_subject'),
  orgTable('policy', 'standing_group'),
]);
