import { orgTable, sqlMigration } from '@sallyport/storage';

const ORGANIZATION = `
  CREATE TABLE organization (
    org_id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{1,62}$'),
    display_name text NOT NULL,
    created_at timestamptz NOT NULL
  );
  ${orgTable('identity', 'organization', { privileges: ['SELECT', 'INSERT', 'UPDATE'] })}
`;

// A connection is one IdP of one organisation. The row outlives its removal (deleted_at), because accounts name it.
const CONNECTION = `
  CREATE TABLE connection (
    org_id uuid NOT NULL REFERENCES organization (org_id),
    id uuid NOT NULL UNIQUE,
    name text NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (org_id, id)
  );
  CREATE UNIQUE INDEX connection_name_key ON connection (org_id, name) WHERE deleted_at IS NULL;
  ${orgTable('identity', 'connection', { privileges: ['SELECT', 'INSERT', 'UPDATE'] })}

  CREATE TABLE scim_facet (
    org_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    profile text NOT NULL DEFAULT 'auto' CHECK (profile IN ('auto')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, connection_id),
    FOREIGN KEY (org_id, connection_id) REFERENCES connection (org_id, id)
  );
  ${orgTable('identity', 'scim_facet')}

  CREATE TABLE scim_token (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    connection_id uuid NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    token_hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, connection_id) REFERENCES connection (org_id, id)
  );
  CREATE INDEX scim_token_connection ON scim_token (org_id, connection_id);
  ${orgTable('identity', 'scim_token', { privileges: ['SELECT', 'INSERT', 'UPDATE'] })}
`;

// Look-up keys are stored columns compared with "=": an expression such as lower(user_name) is not leakproof, so
// row-level security would keep PostgreSQL from using an index on it.
const ACCOUNT = `
  CREATE TABLE account (
    org_id uuid NOT NULL REFERENCES organization (org_id),
    id uuid NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('user', 'service_account')),
    status text NOT NULL CHECK (status IN ('active', 'inactive', 'deleted')),
    directory_active boolean NOT NULL DEFAULT true,
    admin_hold boolean NOT NULL DEFAULT false,
    connection_hold boolean NOT NULL DEFAULT false,
    epoch bigint NOT NULL DEFAULT 1 CHECK (epoch > 0),
    break_glass boolean NOT NULL DEFAULT false,
    connection_id uuid,
    external_id text,
    user_name text NOT NULL,
    user_name_key text NOT NULL,
    display_name text NOT NULL DEFAULT '',
    profile jsonb NOT NULL DEFAULT '{}',
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deactivated_at timestamptz,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, connection_id) REFERENCES connection (org_id, id),
    CONSTRAINT account_access_needs_every_switch CHECK (
      status = 'deleted' OR (status = 'active') = (directory_active AND NOT admin_hold AND NOT connection_hold)
    ),
    CONSTRAINT account_external_id_belongs_to_connection CHECK (external_id IS NULL OR connection_id IS NOT NULL),
    CONSTRAINT account_break_glass_is_local CHECK (NOT break_glass OR (connection_id IS NULL AND kind = 'user'))
  );
  CREATE UNIQUE INDEX account_user_name ON account (org_id, user_name_key) WHERE status <> 'deleted';
  CREATE UNIQUE INDEX account_external_id ON account (org_id, connection_id, external_id) WHERE status <> 'deleted';
  CREATE INDEX account_connection ON account (org_id, connection_id, id);
  ${orgTable('identity', 'account', { privileges: ['SELECT', 'INSERT', 'UPDATE'] })}

  CREATE FUNCTION account_standing_guard() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF NEW.epoch < OLD.epoch THEN RAISE EXCEPTION 'an epoch never falls'; END IF;
    IF OLD.status = 'deleted' AND NEW.status <> 'deleted' THEN RAISE EXCEPTION 'a tombstone stays one'; END IF;
    IF OLD.status = 'active' AND NEW.status <> 'active' AND NEW.epoch = OLD.epoch THEN
      RAISE EXCEPTION 'access ends only with a new epoch';
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER account_standing_guard BEFORE UPDATE ON account
    FOR EACH ROW EXECUTE FUNCTION account_standing_guard();

  CREATE TABLE account_email (
    org_id uuid NOT NULL,
    account_id uuid NOT NULL,
    email_key text NOT NULL,
    PRIMARY KEY (org_id, account_id, email_key),
    FOREIGN KEY (org_id, account_id) REFERENCES account (org_id, id)
  );
  CREATE INDEX account_email_key ON account_email (org_id, email_key);
  ${orgTable('identity', 'account_email')}
`;

const GROUP = `
  CREATE TABLE directory_group (
    org_id uuid NOT NULL REFERENCES organization (org_id),
    id uuid NOT NULL UNIQUE,
    connection_id uuid NOT NULL,
    external_id text,
    display_name text NOT NULL,
    display_name_key text NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, connection_id) REFERENCES connection (org_id, id)
  );
  CREATE UNIQUE INDEX directory_group_display_name ON directory_group (org_id, connection_id, display_name_key);
  CREATE UNIQUE INDEX directory_group_external_id ON directory_group (org_id, connection_id, external_id);
  CREATE INDEX directory_group_connection ON directory_group (org_id, connection_id, id);
  ${orgTable('identity', 'directory_group')}

  CREATE TABLE group_member (
    org_id uuid NOT NULL,
    group_id uuid NOT NULL,
    account_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, group_id, account_id),
    FOREIGN KEY (org_id, group_id) REFERENCES directory_group (org_id, id),
    FOREIGN KEY (org_id, account_id) REFERENCES account (org_id, id)
  );
  CREATE INDEX group_member_account ON group_member (org_id, account_id, group_id);
  ${orgTable('identity', 'group_member', { privileges: ['SELECT', 'INSERT', 'DELETE'] })}
`;

/** Organisations, connections, accounts and groups. */
export const createDirectory = sqlMigration(2, 'create-directory', [ORGANIZATION, CONNECTION, ACCOUNT, GROUP]);
