import { orgTable, sqlMigration } from '@sallyport/storage';

// A review freezes which grants there were; each is kept or taken back by somebody else, or taken back when nobody
// answered. What was frozen never changes, and no answer is taken back.
const tables = `
  CREATE TABLE review (
    org_id uuid NOT NULL REFERENCES organization,
    review_id uuid NOT NULL,
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    project_id uuid,
    environment_id uuid,
    -- Null: grants of every role.
    role_key text,
    reviewer_ids uuid[] NOT NULL CHECK (cardinality(reviewer_ids) > 0),
    deadline timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    -- What others agreed to, where the scope demands four eyes.
    approval_ref text,
    state text NOT NULL CHECK (state IN ('open', 'closed', 'cancelled')),
    closed_at timestamptz,
    PRIMARY KEY (org_id, review_id),
    CHECK (environment_id IS NULL OR project_id IS NOT NULL),
    CHECK ((state = 'open') = (closed_at IS NULL))
  );
  CREATE INDEX review_open ON review (org_id, review_id) WHERE state = 'open';

  CREATE TABLE review_item (
    org_id uuid NOT NULL REFERENCES organization,
    review_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    -- The grant as it was, as JSON, and who gave it.
    grant_text text NOT NULL,
    source text NOT NULL,
    subject_type text NOT NULL,
    subject_id uuid NOT NULL,
    granted_by text NOT NULL,
    -- Who held it through the group.
    member_ids uuid[] NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'kept', 'revoked', 'gone', 'failed')),
    decided_at timestamptz,
    decided_by text,
    reason text CHECK (length(reason) <= 2000),
    -- A code: why it could not be taken back.
    failure text,
    PRIMARY KEY (org_id, review_id, grant_id),
    FOREIGN KEY (org_id, review_id) REFERENCES review,
    CHECK ((state = 'open') = (decided_at IS NULL)),
    CHECK (state <> 'failed' OR failure IS NOT NULL),
    CONSTRAINT review_item_by_somebody_else CHECK (
      state NOT IN ('kept', 'revoked')
      -- Nobody answered.
      OR (state = 'revoked' AND failure = 'UNANSWERED')
      OR (decided_by <> subject_id::text AND decided_by <> granted_by AND NOT decided_by = ANY (member_ids::text[]))
    )
  );

  CREATE FUNCTION review_item_guard() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF OLD.state <> 'open' THEN RAISE EXCEPTION 'what was reviewed stays reviewed'; END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER review_item_guard BEFORE UPDATE ON review_item FOR EACH ROW EXECUTE FUNCTION review_item_guard();

  CREATE FUNCTION review_guard() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF OLD.state <> 'open' THEN RAISE EXCEPTION 'a review is closed once'; END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER review_guard BEFORE UPDATE ON review FOR EACH ROW EXECUTE FUNCTION review_guard();
`;

export const createReview = sqlMigration(12, 'create-review', [
  tables,
  orgTable('policy', 'review', { privileges: ['SELECT', 'INSERT'] }),
  'GRANT UPDATE (state, closed_at) ON review TO sallyport_policy;',
  orgTable('policy', 'review_item', { privileges: ['SELECT', 'INSERT'] }),
  'GRANT UPDATE (state, decided_at, decided_by, reason, failure) ON review_item TO sallyport_policy;',
]);
