import { orgTable, sqlMigration } from '@sallyport/storage';

const tables = `
  -- Pointer rows (flag, flag_environment) name the current one of immutable, numbered versions.
  CREATE TABLE flag (
    org_id uuid NOT NULL,
    flag_id uuid NOT NULL,
    project_id uuid NOT NULL,
    key text NOT NULL,
    type text NOT NULL CHECK (type IN ('boolean', 'string', 'number', 'object')),
    current_version integer NOT NULL,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (org_id, flag_id),
    FOREIGN KEY (org_id, project_id) REFERENCES project
  );
  CREATE UNIQUE INDEX flag_key_taken ON flag (org_id, project_id, key) WHERE deleted_at IS NULL;

  CREATE TABLE flag_version (
    org_id uuid NOT NULL,
    flag_id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    definition jsonb NOT NULL,
    content_hash bytea NOT NULL,
    change_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, flag_id, version),
    FOREIGN KEY (org_id, flag_id) REFERENCES flag
  );

  CREATE TABLE flag_environment (
    org_id uuid NOT NULL,
    flag_id uuid NOT NULL,
    environment_id uuid NOT NULL,
    current_version integer NOT NULL,
    -- Version of the environment in which what is served of this flag last changed.
    changed_in bigint NOT NULL,
    removed boolean NOT NULL DEFAULT false,
    PRIMARY KEY (org_id, flag_id, environment_id),
    FOREIGN KEY (org_id, flag_id) REFERENCES flag,
    FOREIGN KEY (org_id, environment_id) REFERENCES environment
  );
  CREATE INDEX flag_environment_changed ON flag_environment (org_id, environment_id, changed_in);

  CREATE TABLE flag_environment_version (
    org_id uuid NOT NULL,
    flag_id uuid NOT NULL,
    environment_id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    configuration jsonb NOT NULL,
    content_hash bytea NOT NULL,
    change_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, flag_id, environment_id, version),
    FOREIGN KEY (org_id, flag_id, environment_id) REFERENCES flag_environment
  );
`;

const immutable = `
  CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = '42501';
  END $$;
  CREATE TRIGGER flag_version_immutable BEFORE UPDATE OR DELETE ON flag_version
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER flag_version_no_truncate BEFORE TRUNCATE ON flag_version
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER flag_environment_version_immutable BEFORE UPDATE OR DELETE ON flag_environment_version
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER flag_environment_version_no_truncate BEFORE TRUNCATE ON flag_environment_version
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
`;

const readOnly = (table: string): string => orgTable('flags', table, { privileges: ['SELECT'] });

/** The service reads flags; it writes them through `apply_change` alone, so it holds no other right here. */
export const createFlags = sqlMigration(3, 'create-flags', [
  tables,
  immutable,
  ...['flag', 'flag_version', 'flag_environment', 'flag_environment_version'].map(readOnly),
]);
