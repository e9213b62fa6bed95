import { orgTable, sqlMigration } from '@sallyport/storage';

// What was decided. Not part of the audit log: it is sampled, masked, and ends with its retention. org_id refers to
// nothing, so that what was asked about an organisation nobody knows is kept too. `position` is handed out under one
// lock, by batches that commit in that order: whoever follows it misses nothing. It is never shown to an organisation:
// the distance between two would tell it how much is decided for the others.
const log = `
  CREATE TABLE decision_log (
    org_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    decided_at timestamptz NOT NULL,
    subject_type text NOT NULL,
    subject text NOT NULL,
    action text NOT NULL,
    resource_type text NOT NULL,
    resource_id text NOT NULL,
    place text,
    project_id text,
    environment_id text,
    allowed boolean NOT NULL,
    reason text NOT NULL,
    matched_grant text,
    matched_role text,
    standing_position bigint NOT NULL,
    grants_revision bigint NOT NULL,
    policy_hash text,
    latency_us integer NOT NULL,
    request_id text NOT NULL,
    asker_kind text NOT NULL,
    asker text NOT NULL,
    one_in integer NOT NULL,
    PRIMARY KEY (org_id, entry_id)
  );
  CREATE UNIQUE INDEX decision_log_position ON decision_log (org_id, position);
  CREATE INDEX decision_log_request ON decision_log (org_id, request_id);
  CREATE INDEX decision_log_age ON decision_log USING brin (decided_at);
`;

// Whoever takes over the service can add to the log, but not take away what is younger than a day.
const age = `
  CREATE POLICY decision_log_delete ON decision_log AS RESTRICTIVE FOR DELETE
    USING (decided_at < now() - interval '1 day');
`;

export const createDecisionLog = sqlMigration(18, 'create-decision-log', [
  log,
  orgTable('policy', 'decision_log', { privileges: ['SELECT', 'INSERT', 'DELETE'] }),
  age,
]);
