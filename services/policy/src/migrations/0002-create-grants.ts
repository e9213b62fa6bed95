import { orgTable, sqlMigration } from '@sallyport/storage';

const organizations = `
  CREATE TABLE organization (
    org_id uuid PRIMARY KEY,
    slug text NOT NULL,
    created_at timestamptz NOT NULL
  );

  -- The revision every change of what decides takes, in the transaction of the change. Its lock serialises them, so
  -- rules that look at all grants (last Owner, exclusive roles) see the truth. Low fillfactor: updated in place.
  CREATE TABLE grants_head (
    org_id uuid PRIMARY KEY REFERENCES organization,
    revision bigint NOT NULL DEFAULT 0
  ) WITH (fillfactor = 10);

  CREATE FUNCTION grants_head_guard() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF NEW.revision <> OLD.revision + 1 OR NEW.org_id <> OLD.org_id THEN
      RAISE EXCEPTION 'a revision only moves forward, by one';
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER grants_head_guard BEFORE UPDATE ON grants_head
    FOR EACH ROW EXECUTE FUNCTION grants_head_guard();
`;

const scopes = `
  -- Owned by the flags service and registered from there; of two registrations the higher sequence counts.
  CREATE TABLE project_scope (
    org_id uuid NOT NULL REFERENCES organization,
    project_id uuid NOT NULL,
    key text NOT NULL,
    deleted boolean NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (org_id, project_id)
  );

  CREATE TABLE environment_scope (
    org_id uuid NOT NULL,
    environment_id uuid NOT NULL,
    project_id uuid NOT NULL,
    key text NOT NULL,
    tier text NOT NULL CHECK (tier IN ('non-production', 'production')),
    deleted boolean NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (org_id, environment_id),
    -- What a grant refers to, so that its project and its environment belong together.
    UNIQUE (org_id, project_id, environment_id),
    FOREIGN KEY (org_id, project_id) REFERENCES project_scope
  );
`;

const grants = `
  -- One grant: a role given to (or, with effect deny, taken from) a subject. Never updated: taken away and given anew.
  CREATE TABLE role_grant (
    org_id uuid NOT NULL REFERENCES organization,
    grant_id uuid NOT NULL,
    subject_type text NOT NULL CHECK (subject_type IN ('user', 'group', 'service_account')),
    subject_id uuid NOT NULL,
    role_key text NOT NULL CHECK (role_key <> ''),
    project_id uuid,
    environment_id uuid,
    effect text NOT NULL CHECK (effect IN ('allow', 'deny')),
    -- 'mapping': a group of the identity provider mapped to a role.
    source text NOT NULL CHECK (source IN ('direct', 'mapping')),
    valid_from timestamptz,
    valid_until timestamptz,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (org_id, grant_id),
    FOREIGN KEY (org_id, project_id) REFERENCES project_scope,
    FOREIGN KEY (org_id, project_id, environment_id)
      REFERENCES environment_scope (org_id, project_id, environment_id),
    CHECK (environment_id IS NULL OR project_id IS NOT NULL),
    CHECK (source = 'direct' OR subject_type = 'group'),
    CHECK (valid_from < valid_until),
    CONSTRAINT role_grant_given_once UNIQUE NULLS NOT DISTINCT
      (org_id, subject_type, subject_id, role_key, project_id, environment_id, effect)
  );

  -- What a policy enforcement point outside the deployment shows to ask for decisions (AuthZEN).
  CREATE TABLE decision_token (
    org_id uuid NOT NULL REFERENCES organization,
    token_id uuid NOT NULL,
    name text NOT NULL,
    token_hash bytea NOT NULL CONSTRAINT decision_token_hash_unique UNIQUE,
    expires_at timestamptz,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (org_id, token_id)
  );
`;

export const createGrants = sqlMigration(2, 'create-grants', [
  organizations,
  scopes,
  grants,
  orgTable('policy', 'organization', { privileges: ['SELECT', 'INSERT'] }),
  orgTable('policy', 'grants_head', { privileges: ['SELECT', 'INSERT', 'UPDATE'] }),
  orgTable('policy', 'project_scope', { privileges: ['SELECT', 'INSERT', 'UPDATE'] }),
  orgTable('policy', 'environment_scope', { privileges: ['SELECT', 'INSERT', 'UPDATE'] }),
  orgTable('policy', 'role_grant', { privileges: ['SELECT', 'INSERT', 'DELETE'] }),
  orgTable('policy', 'decision_token', { privileges: ['SELECT', 'INSERT'] }),
  'GRANT UPDATE (revoked_at) ON decision_token TO sallyport_policy;',
]);
