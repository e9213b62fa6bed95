import { orgTable, sqlMigration } from '@sallyport/storage';

const CLIENT = `
  CREATE TABLE oauth_client (
    org_id uuid NOT NULL REFERENCES organization (org_id),
    id text NOT NULL UNIQUE,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('public', 'confidential')),
    secret_hash bytea,
    redirect_uris text[] NOT NULL,
    post_logout_redirect_uris text[] NOT NULL,
    backchannel_logout_uri text,
    may_introspect boolean NOT NULL DEFAULT false,
    api_access boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    PRIMARY KEY (org_id, id),
    CONSTRAINT oauth_client_secret CHECK ((kind = 'confidential') = (secret_hash IS NOT NULL))
  );
  ${orgTable('identity', 'oauth_client', { privileges: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] })}
`;

// Whatever the OpenID Provider keeps: sessions, interactions, grants, codes, tokens. The identifier is a secret and is
// stored as its hash. org_id is null while nobody has signed in; the row is found before the organisation is known, so
// it cannot lead the key. A row with an account is readable only in the epoch it was issued in (provider/store.ts).
const ARTIFACT = `
  CREATE TABLE provider_artifact (
    model text NOT NULL,
    id_hash bytea NOT NULL,
    org_id uuid,
    account_id uuid,
    epoch_at_issue bigint,
    browser_session_id uuid,
    client_id text,
    grant_hash bytea,
    uid text,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    consumed_at timestamptz,
    PRIMARY KEY (model, id_hash),
    FOREIGN KEY (org_id, account_id) REFERENCES account (org_id, id),
    CONSTRAINT provider_artifact_epoch CHECK ((account_id IS NULL) = (epoch_at_issue IS NULL)),
    CONSTRAINT provider_artifact_owner CHECK (account_id IS NULL OR org_id IS NOT NULL)
  );
  CREATE INDEX provider_artifact_account ON provider_artifact (org_id, account_id) WHERE account_id IS NOT NULL;
  CREATE INDEX provider_artifact_grant ON provider_artifact (grant_hash) WHERE grant_hash IS NOT NULL;
  CREATE INDEX provider_artifact_session ON provider_artifact (browser_session_id) WHERE browser_session_id IS NOT NULL;
  CREATE INDEX provider_artifact_client ON provider_artifact (client_id) WHERE client_id IS NOT NULL;
  CREATE UNIQUE INDEX provider_artifact_uid ON provider_artifact (model, uid) WHERE uid IS NOT NULL;
  CREATE INDEX provider_artifact_expiry ON provider_artifact (expires_at);
  ${orgTable('identity', 'provider_artifact')}
`;

/** The OpenID Provider's clients and everything it issues. */
export const createProvider = sqlMigration(12, 'create-provider', [CLIENT, ARTIFACT]);
