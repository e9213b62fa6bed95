import { orgTable, sqlMigration } from '@sallyport/storage';

// Where the decision log is not complete: what could not be kept, counted; and processes that ended without a word.
const tables = `
  CREATE TABLE decision_log_gap (
    org_id uuid NOT NULL,
    gap_id uuid NOT NULL,
    from_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL,
    cause text NOT NULL CHECK (cause IN ('overload', 'unwritable', 'process-ended')),
    denials bigint NOT NULL,
    production_writes bigint NOT NULL,
    reads bigint NOT NULL,
    PRIMARY KEY (org_id, gap_id)
  );

  CREATE TABLE decision_log_writer (
    writer_id uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL
  );
  GRANT SELECT, INSERT, UPDATE, DELETE ON decision_log_writer TO sallyport_policy;
`;

const age = `
  CREATE POLICY decision_log_gap_delete ON decision_log_gap AS RESTRICTIVE FOR DELETE
    USING (until_at < now() - interval '1 day');
`;

export const createDecisionLogGaps = sqlMigration(19, 'create-decision-log-gaps', [
  tables,
  orgTable('policy', 'decision_log_gap', { privileges: ['SELECT', 'INSERT', 'DELETE'] }),
  age,
]);
