import { orgTable, sqlMigration } from '@sallyport/storage';

const tables = `
  -- scope_sequence numbers the registrations with policy: gap-free, in commit order, under the lock of this row.
  CREATE TABLE organization (
    org_id uuid PRIMARY KEY,
    slug text NOT NULL,
    scope_sequence bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL
  ) WITH (fillfactor = 10);

  CREATE TABLE project (
    org_id uuid NOT NULL REFERENCES organization,
    project_id uuid NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, project_id),
    CONSTRAINT project_key_taken UNIQUE (org_id, key)
  );

  CREATE TABLE environment (
    org_id uuid NOT NULL,
    environment_id uuid NOT NULL,
    project_id uuid NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    tier text NOT NULL CHECK (tier IN ('non-production', 'production')),
    protected boolean NOT NULL,
    required_approvals integer NOT NULL CHECK (required_approvals BETWEEN 0 AND 10),
    -- Counts changes of the approval rule; open approvals are bound to it.
    rule_version integer NOT NULL DEFAULT 1,
    -- Counts applied changes; feeds entity tags. Moved by the apply function alone.
    version bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, environment_id),
    FOREIGN KEY (org_id, project_id) REFERENCES project,
    CONSTRAINT environment_key_taken UNIQUE (org_id, project_id, key),
    CHECK (protected OR required_approvals = 0)
  );

  CREATE TABLE scope_outbox (
    org_id uuid NOT NULL REFERENCES organization,
    sequence bigint NOT NULL,
    registration jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    delivered_at timestamptz,
    PRIMARY KEY (org_id, sequence)
  );
  CREATE INDEX scope_outbox_pending ON scope_outbox (org_id, sequence) WHERE delivered_at IS NULL;
`;

// Protection may be raised by whoever may edit the environment. Lowering it would switch four eyes off: not even the
// service can do that.
const protectionOnlyRises = `
  CREATE FUNCTION keep_protection() RETURNS trigger LANGUAGE plpgsql SET search_path = flags, pg_temp AS $$
  BEGIN
    IF (OLD.protected AND NOT NEW.protected) OR NEW.required_approvals < OLD.required_approvals THEN
      RAISE EXCEPTION 'the protection of an environment is only raised' USING ERRCODE = 'FLPRT';
    END IF;
    IF NEW.protected <> OLD.protected OR NEW.required_approvals <> OLD.required_approvals THEN
      NEW.rule_version := OLD.rule_version + 1;
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER environment_protection_only_rises BEFORE UPDATE ON environment
    FOR EACH ROW EXECUTE FUNCTION keep_protection();
`;

export const createProjects = sqlMigration(2, 'create-projects', [
  tables,
  protectionOnlyRises,
  orgTable('flags', 'organization', { privileges: ['SELECT', 'INSERT'] }),
  orgTable('flags', 'project', { privileges: ['SELECT', 'INSERT'] }),
  orgTable('flags', 'environment', { privileges: ['SELECT'] }),
  orgTable('flags', 'scope_outbox', { privileges: ['SELECT', 'INSERT'] }),
  `GRANT UPDATE (scope_sequence) ON organization TO sallyport_flags;
   GRANT UPDATE (name, description) ON project TO sallyport_flags;
   GRANT INSERT (org_id, environment_id, project_id, key, name, tier, protected, required_approvals, created_at)
     ON environment TO sallyport_flags;
   GRANT UPDATE (name, protected, required_approvals) ON environment TO sallyport_flags;
   GRANT UPDATE (delivered_at) ON scope_outbox TO sallyport_flags;`,
]);
