import { orgTable, sqlMigration } from '@sallyport/storage';

const tables = `
  CREATE TABLE change_request (
    org_id uuid NOT NULL,
    change_id uuid NOT NULL,
    project_id uuid NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    state text NOT NULL DEFAULT 'in_review'
      CHECK (state IN ('in_review', 'approved', 'stale', 'applied', 'rejected', 'cancelled')),
    revision integer NOT NULL DEFAULT 1 CHECK (revision > 0),
    -- True when no touched environment demanded an approval: applied at once, by the same routine.
    direct boolean NOT NULL,
    author_type text NOT NULL CHECK (author_type IN ('user', 'service_account')),
    author_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    applied_at timestamptz,
    applied_by uuid,
    PRIMARY KEY (org_id, change_id),
    FOREIGN KEY (org_id, project_id) REFERENCES project
  );
  CREATE INDEX change_request_project ON change_request (org_id, project_id, change_id DESC);

  -- The canonical JSON that is reviewed and later applied, byte for byte; its hash cannot be stated, only computed.
  CREATE TABLE change_revision (
    org_id uuid NOT NULL,
    change_id uuid NOT NULL,
    revision integer NOT NULL,
    content bytea NOT NULL,
    content_hash bytea NOT NULL GENERATED ALWAYS AS (sha256(content)) STORED,
    author_type text NOT NULL CHECK (author_type IN ('user', 'service_account')),
    author_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, change_id, revision),
    FOREIGN KEY (org_id, change_id) REFERENCES change_request
  );

  CREATE TABLE change_review (
    org_id uuid NOT NULL,
    change_id uuid NOT NULL,
    revision integer NOT NULL,
    reviewer_id uuid NOT NULL,
    reviewer_type text NOT NULL CHECK (reviewer_type IN ('user', 'service_account')),
    content_hash bytea NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('approve', 'reject', 'request_changes')),
    -- Environments the reviewer was entitled to review when the verdict was given.
    environments uuid[] NOT NULL,
    comment text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, change_id, revision, reviewer_id),
    FOREIGN KEY (org_id, change_id, revision) REFERENCES change_revision
  );
`;

const guards = `
  CREATE FUNCTION guard_change_request() RETURNS trigger LANGUAGE plpgsql SET search_path = flags, pg_temp AS $$
  BEGIN
    IF TG_OP = 'INSERT' THEN
      IF NEW.state <> 'in_review' OR NEW.revision <> 1 OR NEW.applied_at IS NOT NULL THEN
        RAISE EXCEPTION 'a change request starts in review' USING ERRCODE = '42501';
      END IF;
      RETURN NEW;
    END IF;
    IF NEW.revision < OLD.revision THEN
      RAISE EXCEPTION 'a revision is never taken back' USING ERRCODE = '42501';
    END IF;
    IF OLD.state IN ('applied', 'rejected', 'cancelled') THEN
      RAISE EXCEPTION 'the change request is closed' USING ERRCODE = 'FLSTA';
    END IF;
    -- Approved and applied are what the functions of this schema found out, never what the service says.
    IF NEW.state IN ('approved', 'applied', 'rejected') AND NEW.state <> OLD.state
       AND current_user = 'sallyport_flags' THEN
      RAISE EXCEPTION 'only a review or the apply function leads to %', NEW.state USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER change_request_guard BEFORE INSERT OR UPDATE ON change_request
    FOR EACH ROW EXECUTE FUNCTION guard_change_request();
  CREATE TRIGGER change_revision_immutable BEFORE UPDATE OR DELETE ON change_revision
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
`;

const functions = `
  -- What a change set touches, from its operations and not from what it says about itself.
  CREATE FUNCTION touched_environments(p_org uuid, p_content jsonb) RETURNS TABLE (environment_id uuid)
    LANGUAGE sql STABLE SET search_path = flags, public, pg_temp AS $$
    SELECT (c ->> 'environmentId')::uuid FROM jsonb_array_elements(p_content -> 'changes') AS c
      WHERE c ->> 'kind' IN ('set-state', 'set-targeting')
    UNION
    SELECT (e ->> 'environmentId')::uuid
      FROM jsonb_array_elements(p_content -> 'changes') AS c, jsonb_array_elements(c -> 'environments') AS e
      WHERE c ->> 'kind' IN ('create-flag', 'add-flag')
    UNION
    SELECT fe.environment_id
      FROM jsonb_array_elements(p_content -> 'changes') AS c
      JOIN flag_environment fe ON fe.org_id = p_org AND fe.flag_id = (c ->> 'flagId')::uuid AND NOT fe.removed
      WHERE c ->> 'kind' IN ('edit-flag', 'archive-flag', 'restore-flag', 'delete-flag')
  $$;

  -- The approval rule, in one place: how many approvals each touched protected environment has and needs.
  -- An approval counts for the current revision and hash only, for environments its giver may review, never from
  -- anybody who wrote a revision, and (with p_confirmed) only where policy confirmed the reviewer a moment ago.
  CREATE FUNCTION approval_counts(p_org uuid, p_change uuid, p_confirmed jsonb)
    RETURNS TABLE (environment_id uuid, required integer, counted integer)
    LANGUAGE sql STABLE SET search_path = flags, public, pg_temp AS $$
    SELECT e.environment_id, e.required_approvals,
           (SELECT count(*)::integer FROM change_review w
             WHERE w.org_id = p_org AND w.change_id = p_change AND w.revision = r.revision
               AND w.content_hash = v.content_hash AND w.verdict = 'approve'
               AND e.environment_id = ANY (w.environments)
               AND NOT EXISTS (SELECT FROM change_revision a WHERE a.org_id = p_org AND a.change_id = p_change
                                  AND a.author_id = w.reviewer_id)
               AND w.reviewer_id <> r.author_id
               AND (p_confirmed IS NULL OR p_confirmed @> jsonb_build_array(
                     jsonb_build_object('reviewer', w.reviewer_id, 'environment', e.environment_id))))
      FROM change_request r
      JOIN change_revision v USING (org_id, change_id, revision)
      JOIN environment e ON e.org_id = r.org_id AND e.protected AND e.required_approvals > 0
     WHERE r.org_id = p_org AND r.change_id = p_change
       AND e.environment_id IN (SELECT t.environment_id
                                  FROM touched_environments(p_org, convert_from(v.content, 'UTF8')::jsonb) t)
  $$;

  CREATE FUNCTION standing_objections(p_org uuid, p_change uuid) RETURNS bigint
    LANGUAGE sql STABLE SET search_path = flags, public, pg_temp AS $$
    SELECT count(*) FROM change_review w JOIN change_request r USING (org_id, change_id, revision)
     WHERE w.org_id = p_org AND w.change_id = p_change AND w.verdict <> 'approve'
  $$;

  CREATE FUNCTION record_review(p_org uuid, p_change uuid, p_hash bytea, p_review jsonb, p_at timestamptz)
    RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = flags, public, pg_temp AS $$
  DECLARE
    v_change change_request;
    v_hash bytea;
    v_reviewer uuid := (p_review ->> 'reviewerId')::uuid;
    v_state text;
  BEGIN
    IF p_org IS DISTINCT FROM sallyport_org() THEN
      RAISE EXCEPTION 'another organisation' USING ERRCODE = '42501';
    END IF;
    SELECT * INTO v_change FROM change_request c WHERE c.org_id = p_org AND c.change_id = p_change FOR UPDATE;
    IF NOT FOUND THEN RAISE EXCEPTION 'no such change request' USING ERRCODE = 'FLNOF'; END IF;
    IF v_change.state NOT IN ('in_review', 'approved') THEN
      RAISE EXCEPTION 'the change request is %', v_change.state USING ERRCODE = 'FLSTA';
    END IF;
    SELECT v.content_hash INTO v_hash FROM change_revision v
      WHERE v.org_id = p_org AND v.change_id = p_change AND v.revision = v_change.revision;
    IF v_hash IS DISTINCT FROM p_hash THEN
      RAISE EXCEPTION 'the review is for another revision' USING ERRCODE = 'FLHSH';
    END IF;
    IF v_reviewer = v_change.author_id OR EXISTS (SELECT FROM change_revision v
         WHERE v.org_id = p_org AND v.change_id = p_change AND v.author_id = v_reviewer) THEN
      RAISE EXCEPTION 'nobody reviews their own change' USING ERRCODE = 'FLSLF';
    END IF;
    INSERT INTO change_review (org_id, change_id, revision, reviewer_id, reviewer_type, content_hash, verdict,
                               environments, comment, created_at)
      VALUES (p_org, p_change, v_change.revision, v_reviewer, p_review ->> 'reviewerType', p_hash,
              p_review ->> 'verdict',
              ARRAY(SELECT e::uuid FROM jsonb_array_elements_text(p_review -> 'environments') AS e),
              p_review ->> 'comment', p_at)
      ON CONFLICT (org_id, change_id, revision, reviewer_id) DO UPDATE
        SET verdict = excluded.verdict, environments = excluded.environments, comment = excluded.comment,
            created_at = excluded.created_at;
    v_state := CASE
      WHEN p_review ->> 'verdict' = 'reject' THEN 'rejected'
      WHEN standing_objections(p_org, p_change) = 0 AND NOT EXISTS (
        SELECT FROM approval_counts(p_org, p_change, NULL) a WHERE a.counted < a.required) THEN 'approved'
      ELSE 'in_review' END;
    UPDATE change_request c SET state = v_state, updated_at = p_at WHERE c.org_id = p_org AND c.change_id = p_change;
    RETURN v_state;
  END $$;
  REVOKE ALL ON FUNCTION record_review FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION record_review TO sallyport_flags;
`;

export const createChangeRequests = sqlMigration(4, 'create-change-requests', [
  tables,
  guards,
  functions,
  orgTable('flags', 'change_request', { privileges: ['SELECT'] }),
  orgTable('flags', 'change_revision', { privileges: ['SELECT'] }),
  orgTable('flags', 'change_review', { privileges: ['SELECT'] }),
  `GRANT INSERT (org_id, change_id, project_id, title, description, direct, author_type, author_id, created_at, updated_at)
     ON change_request TO sallyport_flags;
   GRANT UPDATE (title, description, state, revision, updated_at) ON change_request TO sallyport_flags;
   GRANT INSERT (org_id, change_id, revision, content, author_type, author_id, created_at)
     ON change_revision TO sallyport_flags;`,
]);
