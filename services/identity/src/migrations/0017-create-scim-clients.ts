import { orgTable, sqlMigration } from '@sallyport/storage';

// A SCIM client speaks for the directory of exactly one connection; its secrets are kept as hashes, two live at most.
// A token of the OpenID Provider remembers the secret it was had with: it ends with that secret.
const CLIENT = `
  CREATE TABLE scim_client (
    org_id uuid NOT NULL,
    id text NOT NULL UNIQUE,
    connection_id uuid NOT NULL,
    name text NOT NULL,
    token_ttl_seconds integer NOT NULL CHECK (token_ttl_seconds BETWEEN 3600 AND 21600),
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, connection_id) REFERENCES connection (org_id, id)
  );
  CREATE INDEX scim_client_connection ON scim_client (org_id, connection_id);
  ${orgTable('identity', 'scim_client', { privileges: ['SELECT', 'INSERT', 'UPDATE'] })}

  CREATE TABLE scim_client_secret (
    org_id uuid NOT NULL,
    id uuid NOT NULL UNIQUE,
    client_id text NOT NULL,
    prefix text NOT NULL,
    secret_hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    expires_at timestamptz NOT NULL,
    expiry_warned_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, client_id) REFERENCES scim_client (org_id, id)
  );
  CREATE INDEX scim_client_secret_client ON scim_client_secret (org_id, client_id);
  ${orgTable('identity', 'scim_client_secret', { privileges: ['SELECT', 'INSERT', 'UPDATE'] })}

  ALTER TABLE provider_artifact ADD COLUMN scim_secret_id uuid REFERENCES scim_client_secret (id);
`;

// Empty: every address. Warned once per credential: whoever warns sets the time in the same transaction.
const FACET = `
  ALTER TABLE scim_facet ADD COLUMN allowed_networks text[] NOT NULL DEFAULT '{}';
  ALTER TABLE scim_token ADD COLUMN expiry_warned_at timestamptz;
  CREATE INDEX scim_token_expiry ON scim_token (expires_at) WHERE revoked_at IS NULL;
  CREATE INDEX scim_client_secret_expiry ON scim_client_secret (expires_at) WHERE revoked_at IS NULL;
`;

/** OAuth 2.0 clients of directories, the networks a directory may speak from, warnings before a credential expires. */
export const createScimClients = sqlMigration(17, 'create-scim-clients', [CLIENT, FACET]);
