import { orgTable, sqlMigration } from '@sallyport/storage';

// A read-back of an IdP, put beside what we hold. What was uploaded lives only until it is compared; findings live with
// their report. A removed connection takes its reports along.
const REPORT = `
  CREATE TABLE drift_report (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    connection_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('receiving', 'comparing', 'complete', 'failed')),
    compares_groups boolean NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_at timestamptz NOT NULL,
    completed_at timestamptz,
    failure text,
    users bigint NOT NULL DEFAULT 0,
    groups bigint NOT NULL DEFAULT 0,
    members bigint NOT NULL DEFAULT 0,
    unreadable bigint NOT NULL DEFAULT 0,
    findings bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, connection_id) REFERENCES connection (org_id, id)
  );
  CREATE INDEX drift_report_connection ON drift_report (org_id, connection_id, id);
  -- One at a time for a connection: two uploads at once would each cost what one is bounded to.
  CREATE UNIQUE INDEX drift_report_running ON drift_report (org_id, connection_id)
    WHERE state IN ('receiving', 'comparing');
  ${orgTable('identity', 'drift_report')}

  CREATE TABLE drift_finding (
    org_id uuid NOT NULL,
    report_id uuid NOT NULL,
    number bigint NOT NULL,
    kind text NOT NULL,
    resource_id uuid,
    name text NOT NULL,
    external_id text,
    attribute text,
    member_id uuid,
    member_name text,
    here jsonb,
    there jsonb,
    PRIMARY KEY (org_id, report_id, number),
    FOREIGN KEY (org_id, report_id) REFERENCES drift_report (org_id, id) ON DELETE CASCADE
  );
  CREATE INDEX drift_finding_kind ON drift_finding (org_id, report_id, kind, number);
  ${orgTable('identity', 'drift_finding')}

  CREATE FUNCTION drift_report_purge() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    DELETE FROM identity.drift_report WHERE org_id = NEW.org_id AND connection_id = NEW.id;
    RETURN NULL;
  END $$;
  CREATE TRIGGER drift_report_purge AFTER UPDATE OF deleted_at ON connection
    FOR EACH ROW WHEN (NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION drift_report_purge();
`;

const STAGING = `
  CREATE TABLE drift_user (
    org_id uuid NOT NULL,
    report_id uuid NOT NULL,
    line bigint NOT NULL,
    user_name text NOT NULL,
    user_name_key text NOT NULL,
    external_id text,
    active boolean,
    attributes jsonb NOT NULL,
    is_repeated boolean NOT NULL DEFAULT false,
    account_id uuid,
    PRIMARY KEY (org_id, report_id, line),
    FOREIGN KEY (org_id, report_id) REFERENCES drift_report (org_id, id) ON DELETE CASCADE
  );
  CREATE INDEX drift_user_account ON drift_user (org_id, report_id, account_id) WHERE account_id IS NOT NULL;
  ${orgTable('identity', 'drift_user')}

  CREATE TABLE drift_group (
    org_id uuid NOT NULL,
    report_id uuid NOT NULL,
    key text NOT NULL,
    display_name text NOT NULL,
    display_name_key text NOT NULL,
    external_id text,
    group_id uuid,
    PRIMARY KEY (org_id, report_id, key),
    FOREIGN KEY (org_id, report_id) REFERENCES drift_report (org_id, id) ON DELETE CASCADE
  );
  ${orgTable('identity', 'drift_group')}

  CREATE TABLE drift_member (
    org_id uuid NOT NULL,
    report_id uuid NOT NULL,
    group_key text NOT NULL,
    member text NOT NULL,
    member_key text NOT NULL,
    member_id uuid,
    account_id uuid,
    PRIMARY KEY (org_id, report_id, group_key, member),
    FOREIGN KEY (org_id, report_id) REFERENCES drift_report (org_id, id) ON DELETE CASCADE
  );
  ${orgTable('identity', 'drift_member')}

  -- The order of the entries of a multi-valued attribute says nothing.
  CREATE FUNCTION drift_value(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN jsonb_typeof(value) = 'array'
                THEN (SELECT jsonb_agg(entry ORDER BY entry) FROM jsonb_array_elements(value) AS entry)
                ELSE value END;
`;

/** Drift reports, their findings, and what is uploaded until it is compared. */
export const createDriftReport = sqlMigration(20, 'create-drift-report', [REPORT, STAGING]);
