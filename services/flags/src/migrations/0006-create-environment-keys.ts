import { orgTable, sqlMigration } from '@sallyport/storage';

const tables = `
  CREATE TABLE environment_key (
    org_id uuid NOT NULL,
    key_id uuid NOT NULL,
    environment_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('server', 'client')),
    name text NOT NULL,
    -- SHA-256 of the secret, which is shown once and never stored.
    secret_hash bytea NOT NULL UNIQUE,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz,
    revoked_by uuid,
    PRIMARY KEY (org_id, key_id),
    FOREIGN KEY (org_id, environment_id) REFERENCES environment
  );
  CREATE INDEX environment_key_environment ON environment_key (org_id, environment_id, key_id);

  CREATE FUNCTION guard_environment_key() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
      RAISE EXCEPTION 'a revoked key stays revoked' USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER environment_key_stays_revoked BEFORE UPDATE ON environment_key
    FOR EACH ROW EXECUTE FUNCTION guard_environment_key();
`;

export const createEnvironmentKeys = sqlMigration(6, 'create-environment-keys', [
  tables,
  orgTable('flags', 'environment_key', { privileges: ['SELECT', 'INSERT'] }),
  `GRANT UPDATE (last_used_at, revoked_at, revoked_by) ON environment_key TO sallyport_flags;`,
]);
