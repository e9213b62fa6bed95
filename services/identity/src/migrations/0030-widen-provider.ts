import { orgTable, sqlMigration } from '@sallyport/storage';

// Secrets get a table of their own, so that two can live side by side. The tables are behind their walls for their owner
// as well.
const CLIENT = `
  ALTER TABLE oauth_client
    ADD COLUMN third_party boolean NOT NULL DEFAULT false,
    ADD COLUMN require_par boolean NOT NULL DEFAULT false,
    ADD COLUMN jwt_audience text,
    ADD COLUMN auth_method text NOT NULL DEFAULT 'client_secret'
      CHECK (auth_method IN ('none', 'client_secret', 'private_key_jwt')),
    ADD COLUMN jwks jsonb,
    ADD COLUMN jwks_uri text,
    ADD COLUMN updated_at timestamptz,
    DROP CONSTRAINT oauth_client_secret;

  CREATE TABLE oauth_client_secret (
    org_id uuid NOT NULL,
    id uuid NOT NULL UNIQUE,
    client_id text NOT NULL,
    secret_hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, client_id) REFERENCES oauth_client (org_id, id) ON DELETE CASCADE
  );
  CREATE INDEX oauth_client_secret_client ON oauth_client_secret (client_id);
  ${orgTable('identity', 'oauth_client_secret', { privileges: ['SELECT', 'INSERT', 'DELETE'] })}

  SET LOCAL sallyport.all_orgs = 'on';
  UPDATE oauth_client SET auth_method = 'none' WHERE kind = 'public';
  INSERT INTO oauth_client_secret (org_id, id, client_id, secret_hash, created_at, created_by)
    SELECT org_id, gen_random_uuid(), id, secret_hash, created_at, created_by FROM oauth_client
     WHERE secret_hash IS NOT NULL;
  SET LOCAL sallyport.all_orgs = 'off';

  ALTER TABLE oauth_client
    DROP COLUMN secret_hash,
    ADD CONSTRAINT oauth_client_auth CHECK ((kind = 'public') = (auth_method = 'none')),
    ADD CONSTRAINT oauth_client_keys
      CHECK ((auth_method = 'private_key_jwt') = (num_nonnulls(jwks, jwks_uri) = 1));
`;

// Who is told that a session has ended, until they have taken note of it. Written in the transaction that ends it.
const NOTICE = `
  CREATE TABLE logout_notice (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id text NOT NULL,
    account_id uuid NOT NULL,
    sid text,
    cause text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    last_status text,
    acknowledged_at timestamptz,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, client_id) REFERENCES oauth_client (org_id, id) ON DELETE CASCADE
  );
  CREATE INDEX logout_notice_due ON logout_notice (next_attempt_at) WHERE acknowledged_at IS NULL;
  CREATE INDEX logout_notice_client ON logout_notice (client_id, id);
  ${orgTable('identity', 'logout_notice')}

  CREATE FUNCTION logout_notice_wake() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM pg_notify('identity_logout', '');
    RETURN NULL;
  END $$;
  CREATE TRIGGER logout_notice_wake AFTER INSERT ON logout_notice
    FOR EACH STATEMENT EXECUTE FUNCTION logout_notice_wake();
`;

/** Applications: keys of their own, two secrets, consent, PAR; logout notices that survive a restart. */
export const widenProvider = sqlMigration(30, 'widen-provider', [CLIENT, NOTICE]);
