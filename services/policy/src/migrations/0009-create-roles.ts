import { orgTable, sqlMigration } from '@sallyport/storage';

// Roles of an organisation's own. The built-in ones have no rows and cannot be hidden by one.
const tables = `
  CREATE TABLE role (
    org_id uuid NOT NULL REFERENCES organization,
    role_key text NOT NULL CHECK (role_key ~ '^[a-z][a-z0-9_-]{1,62}$'),
    name text NOT NULL CHECK (name <> '' AND length(name) <= 100),
    description text NOT NULL CHECK (length(description) <= 1000),
    -- The levels at which it may be granted.
    levels text[] NOT NULL CHECK (cardinality(levels) BETWEEN 1 AND 3
      AND levels <@ ARRAY['organization', 'project', 'environment']),
    -- Of this row, for edits that say what they are based on.
    version bigint NOT NULL CHECK (version >= 1),
    revision bigint NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    PRIMARY KEY (org_id, role_key),
    CONSTRAINT role_is_no_built_in_one
      CHECK (role_key NOT IN ('owner', 'project_admin', 'release_manager', 'developer', 'viewer', 'auditor'))
  );
  CREATE UNIQUE INDEX role_name_unique ON role (org_id, lower(name));

  CREATE TABLE role_permission (
    org_id uuid NOT NULL,
    role_key text NOT NULL,
    place text NOT NULL CHECK (place IN ('organization', 'project', 'non-production', 'production')),
    permission text NOT NULL CHECK (permission <> '' AND length(permission) <= 100),
    PRIMARY KEY (org_id, role_key, place, permission),
    FOREIGN KEY (org_id, role_key) REFERENCES role ON DELETE CASCADE
  );
`;

// Nobody is left with a role that is no more: the rule of the service, and under it this one.
const inUse = `
  CREATE FUNCTION keep_granted_role() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF EXISTS (SELECT FROM policy.role_grant g WHERE g.org_id = OLD.org_id AND g.role_key = OLD.role_key) THEN
      RAISE EXCEPTION 'a role that is granted is not deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
  END $$;
  CREATE TRIGGER keep_granted_role BEFORE DELETE ON role FOR EACH ROW EXECUTE FUNCTION keep_granted_role();
`;

// Which roles changed at which revision, as with grants: written by the database when the transaction ends.
const log = `
  CREATE TABLE role_change (
    org_id uuid NOT NULL REFERENCES organization,
    revision bigint NOT NULL,
    role_key text NOT NULL,
    PRIMARY KEY (org_id, revision, role_key)
  );

  CREATE FUNCTION note_role_change() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    changed record := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    head bigint := (SELECT h.revision FROM policy.grants_head h WHERE h.org_id = changed.org_id);
  BEGIN
    INSERT INTO policy.role_change (org_id, revision, role_key)
      VALUES (changed.org_id, head, changed.role_key) ON CONFLICT DO NOTHING;
    DELETE FROM policy.role_change c WHERE c.org_id = changed.org_id AND c.revision < head - 1000;
    RETURN NULL;
  END $$;

  CREATE CONSTRAINT TRIGGER note_role_change AFTER INSERT OR UPDATE OR DELETE ON role
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_role_change();
  CREATE CONSTRAINT TRIGGER note_role_permission_change AFTER INSERT OR UPDATE OR DELETE ON role_permission
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_role_change();
`;

export const createRoles = sqlMigration(9, 'create-roles', [
  tables,
  inUse,
  log,
  orgTable('policy', 'role', { privileges: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] }),
  orgTable('policy', 'role_permission', { privileges: ['SELECT', 'INSERT', 'DELETE'] }),
  orgTable('policy', 'role_change', { privileges: ['SELECT', 'INSERT', 'DELETE'] }),
]);
