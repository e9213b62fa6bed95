import { sqlMigration } from '@sallyport/storage';

// Writing a revision and approving one are acts of somebody in a security epoch of theirs: once it has risen, because
// their access ended or their credentials were voided, neither counts any more, also when they are taken back.
// What was written before this migration counts as of the first epoch.
const columns = `
  ALTER TABLE change_revision ADD COLUMN author_epoch bigint NOT NULL DEFAULT 1 CHECK (author_epoch > 0);
  GRANT INSERT (author_epoch) ON change_revision TO sallyport_flags;
  ALTER TABLE change_review ADD COLUMN reviewer_epoch bigint NOT NULL DEFAULT 1 CHECK (reviewer_epoch > 0);
`;

const review = `
  ALTER FUNCTION record_review(uuid, uuid, bytea, jsonb, timestamptz) RENAME TO store_review;
  REVOKE ALL ON FUNCTION store_review FROM sallyport_flags;

  CREATE FUNCTION record_review(p_org uuid, p_change uuid, p_hash bytea, p_review jsonb, p_at timestamptz)
    RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = flags, public, pg_temp AS $$
  DECLARE
    v_state text := store_review(p_org, p_change, p_hash, p_review, p_at);
  BEGIN
    UPDATE change_review w SET reviewer_epoch = coalesce((p_review ->> 'reviewerEpoch')::bigint, 1)
      FROM change_request r
     WHERE r.org_id = p_org AND r.change_id = p_change AND w.org_id = r.org_id AND w.change_id = r.change_id
       AND w.revision = r.revision AND w.reviewer_id = (p_review ->> 'reviewerId')::uuid;
    RETURN v_state;
  END $$;
  REVOKE ALL ON FUNCTION record_review FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION record_review TO sallyport_flags;
`;

export const bindEpochs = sqlMigration(7, 'bind-epochs', [columns, review]);
