import { orgTable, sqlMigration } from '@sallyport/storage';

// The last requests of each directory, redacted before they are written. They go when the connection goes: the trigger
// makes that true for every way a connection can be removed.
const EXCHANGE = `
  CREATE TABLE scim_exchange (
    org_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    request_id text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    query text NOT NULL,
    resource_id text,
    profile text,
    credential_class text NOT NULL CHECK (credential_class IN ('scim_token', 'scim_client')),
    credential_id text NOT NULL,
    ip text NOT NULL,
    user_agent text,
    body jsonb,
    status smallint NOT NULL,
    scim_type text,
    detail text,
    duration_ms real NOT NULL,
    changes jsonb NOT NULL,
    PRIMARY KEY (org_id, connection_id, id),
    FOREIGN KEY (org_id, connection_id) REFERENCES connection (org_id, id)
  );
  CREATE INDEX scim_exchange_resource ON scim_exchange (org_id, connection_id, resource_id, id);
  ${orgTable('identity', 'scim_exchange', { privileges: ['SELECT', 'INSERT', 'DELETE'] })}

  CREATE FUNCTION scim_exchange_purge() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    DELETE FROM identity.scim_exchange WHERE org_id = NEW.org_id AND connection_id = NEW.id;
    RETURN NULL;
  END $$;
  CREATE TRIGGER scim_exchange_purge AFTER UPDATE OF deleted_at ON connection
    FOR EACH ROW WHEN (NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION scim_exchange_purge();
`;

/** What directories sent and what became of it. */
export const createScimExchange = sqlMigration(18, 'create-scim-exchange', [EXCHANGE]);
