import { orgTable, sqlMigration } from '@sallyport/storage';

// What somebody asked for does not change: only the answer is ever written, once.
const table = `
  CREATE TABLE access_request (
    org_id uuid NOT NULL REFERENCES organization,
    request_id uuid NOT NULL,
    requester_type text NOT NULL CHECK (requester_type IN ('user', 'service_account')),
    requester_id uuid NOT NULL,
    -- The security epoch they asked in: once it has risen, nobody can approve the request any more.
    requester_epoch bigint NOT NULL,
    -- The people behind a machine that asks.
    sponsor_ids uuid[] NOT NULL,
    role_key text NOT NULL CHECK (role_key <> ''),
    project_id uuid,
    environment_id uuid,
    valid_until timestamptz NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    content_hash text NOT NULL CHECK (content_hash ~ '^[0-9a-f]{64}$'),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'cancelled', 'failed')),
    answered_at timestamptz,
    answered_by text,
    answer text CHECK (length(answer) <= 2000),
    -- A code: why it failed, or why it was cancelled by the system.
    failure text,
    grant_id uuid,
    PRIMARY KEY (org_id, request_id),
    UNIQUE (org_id, grant_id),
    CHECK (expires_at <= valid_until),
    CHECK (environment_id IS NULL OR project_id IS NOT NULL),
    CHECK ((state = 'pending') = (answered_at IS NULL)),
    CHECK ((state = 'approved') = (grant_id IS NOT NULL)),
    CONSTRAINT access_request_by_somebody_else CHECK (
      state NOT IN ('approved', 'denied')
      OR (answered_by <> requester_id::text AND NOT answered_by = ANY (sponsor_ids::text[]))
    )
  );
  CREATE INDEX access_request_of ON access_request (org_id, requester_id, request_id);
  CREATE INDEX access_request_pending ON access_request (org_id, request_id) WHERE state = 'pending';

  CREATE FUNCTION access_request_guard() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF OLD.state <> 'pending' THEN RAISE EXCEPTION 'an access request is answered once'; END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER access_request_guard BEFORE UPDATE ON access_request
    FOR EACH ROW EXECUTE FUNCTION access_request_guard();
`;

export const createAccessRequest = sqlMigration(11, 'create-access-request', [
  table,
  orgTable('policy', 'access_request', { privileges: ['SELECT', 'INSERT'] }),
  'GRANT UPDATE (state, answered_at, answered_by, answer, failure, grant_id) ON access_request TO sallyport_policy;',
]);
