import { orgTable, sqlMigration } from '@sallyport/storage';

// Every credential names the epoch it was issued in; a read joins the account, so raising the epoch ends them all.
const SESSION = `
  CREATE TABLE browser_session (
    org_id uuid NOT NULL,
    id uuid NOT NULL UNIQUE,
    token_hash bytea NOT NULL UNIQUE,
    account_id uuid NOT NULL,
    connection_id uuid,
    epoch_at_issue bigint NOT NULL,
    method text NOT NULL CHECK (method IN ('saml', 'oidc', 'password')),
    acr text,
    amr text[] NOT NULL DEFAULT '{}',
    authenticated_at timestamptz NOT NULL,
    idp_subject_key text,
    idp_session text,
    ip text,
    user_agent text,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    end_cause text,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, account_id) REFERENCES account (org_id, id),
    FOREIGN KEY (org_id, connection_id) REFERENCES connection (org_id, id)
  );
  CREATE INDEX browser_session_account ON browser_session (org_id, account_id, id) WHERE ended_at IS NULL;
  CREATE INDEX browser_session_idp ON browser_session (org_id, connection_id, idp_subject_key) WHERE ended_at IS NULL;
  CREATE INDEX browser_session_expiry ON browser_session (expires_at);
  ${orgTable('identity', 'browser_session')}
`;

const TOKEN = `
  CREATE TABLE api_token (
    org_id uuid NOT NULL,
    id uuid NOT NULL UNIQUE,
    token_hash bytea NOT NULL UNIQUE,
    account_id uuid NOT NULL,
    epoch_at_issue bigint NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, account_id) REFERENCES account (org_id, id)
  );
  CREATE INDEX api_token_account ON api_token (org_id, account_id, id) WHERE revoked_at IS NULL;
  ${orgTable('identity', 'api_token', { privileges: ['SELECT', 'INSERT', 'UPDATE'] })}
`;

/** Browser sessions and API tokens. */
export const createCredentials = sqlMigration(11, 'create-credentials', [SESSION, TOKEN]);
