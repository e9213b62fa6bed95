import { orgTable, sqlMigration } from '@sallyport/storage';

// The facets of a connection through which people sign in. Certificates are PEM; the client secret is sealed.
const FACETS = `
  CREATE TABLE saml_facet (
    org_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    idp_entity_id text NOT NULL CHECK (idp_entity_id <> ''),
    sso_url text NOT NULL,
    certificates text[] NOT NULL,
    metadata_xml text,
    sign_requests boolean NOT NULL DEFAULT true,
    require_signed_response boolean NOT NULL DEFAULT false,
    require_signed_assertion boolean NOT NULL DEFAULT false,
    allow_idp_initiated boolean NOT NULL DEFAULT false,
    account_rule jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, connection_id),
    FOREIGN KEY (org_id, connection_id) REFERENCES connection (org_id, id)
  );
  ${orgTable('identity', 'saml_facet')}

  CREATE TABLE oidc_facet (
    org_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    issuer text NOT NULL CHECK (issuer <> ''),
    client_id text NOT NULL,
    client_secret_sealed bytea,
    scopes text[] NOT NULL,
    account_rule jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, connection_id),
    FOREIGN KEY (org_id, connection_id) REFERENCES connection (org_id, id)
  );
  ${orgTable('identity', 'oidc_facet')}

  CREATE TABLE connection_domain (
    org_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    domain text NOT NULL CHECK (domain = lower(domain) AND domain <> ''),
    PRIMARY KEY (org_id, connection_id, domain),
    FOREIGN KEY (org_id, connection_id) REFERENCES connection (org_id, id)
  );
  CREATE INDEX connection_domain_domain ON connection_domain (domain);
  ${orgTable('identity', 'connection_domain')}
`;

// Who somebody is at an IdP. The key is length-prefixed text of every part that identifies; it is never a name alone.
const LINK = `
  CREATE TABLE login_identity (
    org_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    subject_key text NOT NULL,
    account_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, connection_id, subject_key),
    FOREIGN KEY (org_id, connection_id) REFERENCES connection (org_id, id),
    FOREIGN KEY (org_id, account_id) REFERENCES account (org_id, id)
  );
  CREATE INDEX login_identity_account ON login_identity (org_id, account_id);
  ${orgTable('identity', 'login_identity', { privileges: ['SELECT', 'INSERT', 'DELETE'] })}
`;

// A login under way. What the IdP must echo is stored as a hash or is a public identifier; the secrets it was derived
// from are in the browser that started it. Consumed rows stay until they expire, so that late reuse is still recognised.
const PENDING = `
  CREATE TABLE pending_login (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    connection_id uuid NOT NULL,
    protocol text NOT NULL CHECK (protocol IN ('saml', 'oidc')),
    request_key text NOT NULL,
    relay_state_hash bytea,
    browser_hash bytea NOT NULL,
    return_to text NOT NULL,
    replaces_account_id uuid,
    replaces_session_id uuid,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    consumed_at timestamptz,
    PRIMARY KEY (org_id, id),
    UNIQUE (org_id, connection_id, request_key),
    FOREIGN KEY (org_id, connection_id) REFERENCES connection (org_id, id)
  );
  CREATE INDEX pending_login_expiry ON pending_login (expires_at);
  ${orgTable('identity', 'pending_login')}

  CREATE TABLE consumed_assertion (
    org_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    assertion_id text NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT consumed_assertion_once PRIMARY KEY (org_id, connection_id, assertion_id),
    FOREIGN KEY (org_id, connection_id) REFERENCES connection (org_id, id)
  );
  CREATE INDEX consumed_assertion_expiry ON consumed_assertion (expires_at);
  ${orgTable('identity', 'consumed_assertion', { privileges: ['SELECT', 'INSERT', 'DELETE'] })}
`;

// Failures are counted per key (an address, an account) before anybody's organisation is known.
const LOCAL = `
  CREATE TABLE local_credential (
    org_id uuid NOT NULL,
    account_id uuid NOT NULL,
    password_hash text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, account_id),
    FOREIGN KEY (org_id, account_id) REFERENCES account (org_id, id)
  );
  ${orgTable('identity', 'local_credential')}

  CREATE TABLE login_throttle (
    key bytea PRIMARY KEY,
    failures integer NOT NULL,
    window_ends_at timestamptz NOT NULL
  );
  GRANT SELECT, INSERT, UPDATE, DELETE ON login_throttle TO sallyport_identity;
`;

/** Ways to sign in, and logins under way. */
export const createSignIn = sqlMigration(10, 'create-sign-in', [FACETS, LINK, PENDING, LOCAL]);
