import { orgTable, sqlMigration } from '@sallyport/storage';

// The head is a counter row created with its organisation; its lock, held until COMMIT, makes commit order equal
// position order, and a rollback gives the number back. Low fillfactor: every append updates the row in place (HOT).
const LOG = `
  CREATE TABLE subject_log_identity (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    log_id uuid NOT NULL DEFAULT gen_random_uuid()
  );
  INSERT INTO subject_log_identity DEFAULT VALUES;
  GRANT SELECT ON subject_log_identity TO sallyport_identity;

  CREATE TABLE subject_log_head (
    org_id uuid PRIMARY KEY REFERENCES organization (org_id),
    position bigint NOT NULL DEFAULT 0
  ) WITH (fillfactor = 10);
  ${orgTable('identity', 'subject_log_head', { privileges: ['SELECT', 'INSERT', 'UPDATE'] })}

  CREATE TABLE subject_log (
    org_id uuid NOT NULL REFERENCES organization (org_id),
    position bigint NOT NULL CHECK (position > 0),
    cause text NOT NULL,
    subjects jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_array_length(subjects) <= 500),
    groups jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_array_length(groups) <= 500),
    request_id text NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, position)
  );
  ${orgTable('identity', 'subject_log', { privileges: ['SELECT', 'INSERT'] })}

  CREATE FUNCTION subject_log_head_guard() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF NEW.position <= OLD.position OR NEW.org_id <> OLD.org_id THEN
      RAISE EXCEPTION 'a head only moves forward';
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER subject_log_head_guard BEFORE UPDATE ON subject_log_head
    FOR EACH ROW EXECUTE FUNCTION subject_log_head_guard();

  CREATE FUNCTION subject_log_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION 'the subject log is append-only';
  END $$;
  CREATE TRIGGER subject_log_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON subject_log
    FOR EACH STATEMENT EXECUTE FUNCTION subject_log_immutable();
`;

// A closed access whose receipt is not written yet. The row is deleted by the transaction that writes the receipt,
// so a crash between the two leaves it to be resumed.
const RECEIPT = `
  CREATE TABLE pending_receipt (
    org_id uuid NOT NULL REFERENCES organization (org_id),
    position bigint NOT NULL,
    cause text NOT NULL,
    subjects jsonb NOT NULL,
    voided jsonb NOT NULL,
    request_id text NOT NULL,
    audit_receipts text[] NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, position)
  );
  ${orgTable('identity', 'pending_receipt')}
`;

// Every process that grants leases counts up its own row. Others judge by whether the number moves, on their own
// monotonic clock: no wall clock of anybody is compared.
const NODE = `
  CREATE TABLE feed_node (
    node_id uuid PRIMARY KEY,
    beat bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    beat_at timestamptz NOT NULL DEFAULT clock_timestamp()
  ) WITH (fillfactor = 10);
  GRANT SELECT, INSERT, UPDATE, DELETE ON feed_node TO sallyport_identity;
`;

/** The subject log, its heads, receipts not yet written, and the processes that grant leases. */
export const createSubjectLog = sqlMigration(3, 'create-subject-log', [LOG, RECEIPT, NODE]);
